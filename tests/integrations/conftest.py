"""Reading a rendered page back, as Prometheus would."""

import pytest
from prometheus_client.parser import text_string_to_metric_families


def parse(page):
    """`{'name{label="value"}': number}` with labels in sorted order and values as they are."""
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


@pytest.fixture(name="read")
def read_fixture():
    """Samples of a page by metric name and labels."""

    def read(page):
        samples = parse(page if isinstance(page, str) else page.decode())

        def value(name, /, **labels):
            return samples.get((name, *sorted(labels.items())))

        def total(name):
            return sum(v for key, v in samples.items() if key[0] == name)

        value.total = total
        value.samples = samples
        return value

    return read
