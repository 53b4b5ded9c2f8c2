"""The topics of a run."""

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, for_code

from streamapp.errors import BrokerUnavailable, ConfigError


async def create_topics(bootstrap_servers: str, topics: tuple[str, ...], partitions: int) -> None:
    """Create them. Raises `BrokerUnavailable` if nobody answers, `ConfigError` if the broker refuses."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    try:
        try:
            await admin.start()
        except (KafkaError, OSError) as error:
            raise BrokerUnavailable(f"no Kafka broker answers at {bootstrap_servers}: {error}") from error
        response = await admin.create_topics([NewTopic(topic, partitions, 1) for topic in topics])
        for topic, code, *message in response.topic_errors:
            if code:
                raise ConfigError(f"the broker refuses topic {topic}: {for_code(code).__name__} {message}")
    finally:
        await admin.close()
