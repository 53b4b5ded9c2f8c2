"""A second broker beside a real Apache Kafka."""

import re
from pathlib import Path

from tests.brokers import ApacheKafka


class SecondBroker(ApacheKafka):
    """Node 2 of the cluster of which `first` is node 1 and the controller."""

    def __init__(self, first: ApacheKafka, folder: Path) -> None:
        super().__init__(first.version, folder, heap="256m")
        voters = re.findall(r"^controller.quorum.voters=.*$", first._config.read_text(), re.MULTILINE)[0]
        text = self._config.read_text().replace("=broker,controller", "=broker").replace("node.id=1", "node.id=2")
        text = re.sub(r"controller.quorum.voters=.*", voters, text)
        self._config.write_text(re.sub(r",CONTROLLER://\S+", "", text))
