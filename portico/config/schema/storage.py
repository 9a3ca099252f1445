"""`storage:` and `cache:`, what the reference keeps where."""

from typing import Annotated

from msgspec import Meta

from portico.config.schema.base import Section
from portico.types.secret import Secret


class DatabaseConfig(Section, frozen=True, kw_only=True):
    url: Annotated[Secret, Meta(description="Address.")] = Secret("postgresql://localhost/litellm")
    max_connections: Annotated[int, Meta(description="Connections.", ge=1, le=1000)] = 10
    connection_timeout: Annotated[int, Meta(description="Seconds.", ge=1)] = 5
    ssl: Annotated[bool, Meta(description="Use TLS.")] = False
    enabled: Annotated[
        bool,
        Meta(
            description="Use a database.",
            extra={"unused": "calls are recorded in the journal of `data_dir`, not in a database"},
        ),
    ] = False


class RedisConfig(Section, frozen=True, kw_only=True):
    url: Annotated[Secret, Meta(description="Address.")] = Secret("redis://localhost:6379")
    enabled: Annotated[
        bool,
        Meta(description="Use Redis.", extra={"unused": "state is kept in this process"}),
    ] = False
    max_connections: Annotated[int, Meta(description="Connections.", ge=1)] = 20
    connection_timeout: Annotated[int, Meta(description="Seconds.", ge=1)] = 5
    cluster: Annotated[bool, Meta(description="It is a cluster.")] = False


class VectorDbConfig(Section, frozen=True, kw_only=True):
    db_type: Annotated[str, Meta(description="qdrant, weaviate or pinecone.")] = "qdrant"
    url: Annotated[Secret, Meta(description="Address.")] = Secret("")
    api_key: Annotated[Secret, Meta(description="Credential.")] = Secret("")
    index_name: Annotated[str, Meta(description="Index.")] = ""


class StorageConfig(Section, frozen=True, kw_only=True):
    database: Annotated[DatabaseConfig, Meta(description="The reference's database.")] = (
        DatabaseConfig()
    )
    redis: Annotated[RedisConfig, Meta(description="The reference's Redis.")] = RedisConfig()
    vector_db: Annotated[
        VectorDbConfig | None,
        Meta(
            description="The reference's vector database.",
            extra={"unused": "there is no semantic cache"},
        ),
    ] = None


class CacheConfig(Section, frozen=True, kw_only=True):
    enabled: Annotated[
        bool, Meta(description="Keep answers.", extra={"unused": "answers are not kept"})
    ] = False
    ttl: Annotated[int, Meta(description="Seconds.", ge=0)] = 3600
    max_size: Annotated[int, Meta(description="Entries.", ge=0)] = 1000
    semantic_cache: Annotated[
        bool,
        Meta(description="Match by meaning.", extra={"unused": "there is no semantic cache"}),
    ] = False
    similarity_threshold: Annotated[float, Meta(description="Likeness.", ge=0, le=1)] = 0.95
