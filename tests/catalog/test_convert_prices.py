"""The conversion of the price map: exact figures, and nothing left out in silence."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "convert_prices"

SAMPLE = """{
  "sample_spec": {"litellm_provider": "one of them", "input_cost_per_token": 0.0},
  "plain": {"litellm_provider": "openai", "mode": "chat", "max_input_tokens": 1000.0,
    "max_output_tokens": 10, "input_cost_per_token": 1.5e-07, "output_cost_per_token": 6e-7,
    "cache_read_input_token_cost": 3.75e-08, "supports_vision": true, "supports_pdf_input": false,
    "supports_function_calling": true, "source": "https://example.com", "rpm": 5},
  "noisy": {"litellm_provider": "vertex_ai-language-models", "mode": "chat",
    "input_cost_per_token": 1.4999999999999998e-07, "output_cost_per_token": 2.857142857142857e-07},
  "tiers": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1e-6,
    "input_cost_per_token_flex": 5e-7, "input_cost_per_token_above_272k_tokens_priority": 4e-6,
    "cache_creation_input_token_cost_above_1hr_above_200k_tokens": 2e-6,
    "cache_creation_input_token_cost_above_12hr_batches": 3e-6,
    "regional_processing_uplift_multiplier_eu": 1.1, "deprecation_date": "2027-01-01"},
  "listed": {"litellm_provider": "dashscope", "mode": "chat", "tiered_pricing": [
    {"range": [0, 32000.0], "input_cost_per_token": 1e-7, "output_cost_per_token": 2e-7},
    {"range": [32000.0, 128000.0], "input_cost_per_token": 3e-7, "output_cost_per_token": 4e-7}]},
  "fast": {"litellm_provider": "anthropic", "mode": "chat", "input_cost_per_token": 5e-6,
    "provider_specific_entry": {"us": 1.1, "fast": 2.0}},
  "heard": {"litellm_provider": "openai", "mode": "audio_transcription",
    "input_cost_per_second": 0.0001, "output_cost_per_second": 0.0001},
  "said": {"litellm_provider": "openai", "mode": "audio_speech", "output_cost_per_second": 0.00025},
  "drawn": {"litellm_provider": "aiml", "mode": "image_generation", "input_cost_per_image": 0.02},
  "searched": {"litellm_provider": "perplexity", "mode": "chat", "search_context_cost_per_query": {
    "search_context_size_low": 0.005, "search_context_size_medium": 0.005,
    "search_context_size_high": 0.005}},
  "odd": {"litellm_provider": "databricks", "mode": "chat", "input_dbu_cost_per_token": 1e-6,
    "search_context_cost_per_query": {"search_context_size_low": 0.005,
    "search_context_size_high": 0.01}}
}"""

EXPECTED = {
    "about": {"data": "litellm 1.109.1", "licence": "MIT", "read": "2026-11-23"},
    "models": {
        "drawn": {"provider": "aiml", "mode": "image_generation", "prices": {"image": 20_000_000}},
        "fast": {
            "provider": "anthropic",
            "mode": "chat",
            "prices": {"input": 5000, "input@fast": 10000},
            "regions": {"us": [11, 10]},
        },
        "heard": {
            "provider": "openai",
            "mode": "audio_transcription",
            "prices": {"second": 100000},
        },
        "listed": {
            "provider": "dashscope",
            "mode": "chat",
            "prices": {"input": 100, "input>32000": 300, "output": 200, "output>32000": 400},
        },
        "noisy": {
            "provider": "vertex_ai",
            "mode": "chat",
            "prices": {"input": 150, "output": [142857142857, 500_000_000]},
        },
        "odd": {"provider": "databricks", "mode": "chat"},
        "plain": {
            "provider": "openai",
            "mode": "chat",
            "max_input_tokens": 1000,
            "max_output_tokens": 10,
            "abilities": ["tools", "vision"],
            "prices": {"input": 150, "cache_read": [75, 2], "output": 600},
            "source": "https://example.com",
        },
        "said": {"provider": "openai", "mode": "audio_speech", "prices": {"second": 250000}},
        "searched": {"provider": "perplexity", "mode": "chat", "prices": {"query": 5_000_000}},
        "tiers": {
            "provider": "openai",
            "mode": "chat",
            "prices": {
                "input": 1000,
                "input@flex": 500,
                "input@priority>272000": 4000,
                "cache_write_1h>200000": 2000,
                "cache_write_12h@batch": 3000,
            },
            "regions": {"eu": [11, 10]},
            "deprecated": "2027-01-01",
        },
    },
}

REPORT = """\
10 models, 9 of them priced; 20 prices, 2 of them
finer than a nano-USD; {size} bytes
not kept, 1 fields: flags of one gateway's adapters, or abilities said to be absent
         1 supports_pdf_input
not kept, 1 fields: rate limits, which belong to an account
         1 rpm
not kept, 1 fields: prices in Databricks units
         1 input_dbu_cost_per_token
not kept, 1 fields: no place for it
         1 search_context_cost_per_query
"""


def test_a_sample_converts_exactly_and_what_is_dropped_is_told(tmp_path: Path) -> None:
    source, output = tmp_path / "prices.json", tmp_path / "models.json"
    source.write_text(SAMPLE, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(source), "--output", str(output)],
        check=True,
        capture_output=True,
        text=True,
    )
    text = output.read_text(encoding="utf-8")
    assert json.loads(text) == EXPECTED
    assert list(json.loads(text)["models"]) == sorted(EXPECTED["models"])
    assert done.stdout == REPORT.format(size=len(text.encode()))


def test_one_model_is_one_line_so_that_differences_read(tmp_path: Path) -> None:
    source, output = tmp_path / "prices.json", tmp_path / "models.json"
    source.write_text(SAMPLE, encoding="utf-8")
    subprocess.run(
        [sys.executable, str(SCRIPT), str(source), "--output", str(output)],
        check=True,
        capture_output=True,
    )
    lines = output.read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(EXPECTED["models"]) + 3
    assert lines[2] == (
        '"drawn":{"provider":"aiml","mode":"image_generation","prices":{"image":20000000}},'
    )
