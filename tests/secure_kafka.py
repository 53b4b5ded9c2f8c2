"""A real Apache Kafka with one listener per way of securing a connection, beside the plain one for the test itself."""

from pathlib import Path

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from tests.brokers import ApacheKafka, free_ports
from tests.certificates import Authority

USER, PASSWORD = "scorer", "correct-horse/battery=staple"

_MODULES = "org.apache.kafka.common.security"
_PROTOCOLS = {
    "SCRAM": "SASL_SSL",
    "CLEAR": "SASL_PLAINTEXT",
    "MTLS": "SSL",
    "EXPIRED": "SSL",
    "BEARER": "SASL_SSL",
    "RENAMED": "SSL",
}


class SecureKafka(ApacheKafka):
    """`at("SCRAM")` is the address of a listener:

    SCRAM: SASL over TLS, SCRAM-SHA-512 and PLAIN. CLEAR: the same without TLS. MTLS: TLS with client certificates.
    EXPIRED: TLS with a certificate that has expired. BEARER: OAUTHBEARER over TLS with unsigned tokens. RENAMED:
    TLS, advertised as `localhost`, which is not in its certificate.
    """

    def __init__(self, version: str, folder: Path) -> None:
        self.authority = Authority(folder, "authority")
        self._ports = dict(zip(_PROTOCOLS, free_ports(len(_PROTOCOLS)), strict=True))
        scram = f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"
        super().__init__(version, folder, heap="256m", format_arguments=["--add-scram", scram])
        text = self._config.read_text()
        listeners = ",".join(f"{name}://{self.at(name)}" for name in self._ports)
        advertised = listeners.replace("RENAMED://127.0.0.1", "RENAMED://localhost")
        text = text.replace("\nlisteners=", f"\nlisteners={listeners},")
        text = text.replace("\nadvertised.listeners=", f"\nadvertised.listeners={advertised},")
        mapping = ",".join(f"{name}:{protocol}" for name, protocol in _PROTOCOLS.items())
        text = text.replace("security.protocol.map=", f"security.protocol.map={mapping},")
        self._config.write_text(text + self._security())

    def at(self, listener: str) -> str:
        """host:port of a listener."""
        return f"127.0.0.1:{self._ports[listener]}"

    def grant(self, user: str, topics: str, *operations: AclOperation) -> None:
        """Let a user do something with the topics of that prefix, and nobody else who was not granted anything."""
        for each in operations:
            self.allow(user, ResourceType.TOPIC, topics, each, ResourcePatternType.PREFIXED)

    def allow(
        self,
        user: str,
        kind: ResourceType,
        name: str,
        operation: AclOperation,
        pattern: ResourcePatternType = ResourcePatternType.LITERAL,
    ) -> AclBinding:
        """Let a user do something, and nobody else who was not granted anything; the rule, for `forget`."""
        binding = AclBinding(kind, name, pattern, f"User:{user}", "*", operation, AclPermissionType.ALLOW)
        admin = AdminClient({"bootstrap.servers": self.bootstrap_servers})
        for granted in admin.create_acls([binding]).values():
            granted.result()
        return binding

    def forget(self, binding: AclBinding) -> None:
        """Take a rule back."""
        same = AclBindingFilter(
            binding.restype,
            binding.name,
            binding.resource_pattern_type,
            binding.principal,
            binding.host,
            binding.operation,
            binding.permission_type,
        )
        admin = AdminClient({"bootstrap.servers": self.bootstrap_servers})
        for deleted in admin.delete_acls([same]).values():
            deleted.result()

    def _security(self) -> str:
        good, old = self.authority.sign("broker"), self.authority.sign("old-broker", expired=True)
        plain = f'{_MODULES}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
        bearer = f'{_MODULES}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";'
        lines = [
            "ssl.keystore.type=PEM",
            f"ssl.keystore.location={good.both}",
            "ssl.truststore.type=PEM",
            f"ssl.truststore.location={self.authority.path}",
            "listener.name.mtls.ssl.client.auth=required",
            "listener.name.expired.ssl.keystore.type=PEM",
            f"listener.name.expired.ssl.keystore.location={old.both}",
            "listener.name.bearer.sasl.enabled.mechanisms=OAUTHBEARER",
            f"listener.name.bearer.oauthbearer.sasl.jaas.config={bearer}",
            # Whoever comes without a name may do everything, anybody may use what nobody was granted.
            "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users=User:ANONYMOUS",
            "allow.everyone.if.no.acl.found=true",
        ]
        for name in ("scram", "clear"):
            prefix = f"listener.name.{name}"
            lines += [
                f"{prefix}.sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN",
                f"{prefix}.scram-sha-512.sasl.jaas.config={_MODULES}.scram.ScramLoginModule required;",
                f"{prefix}.plain.sasl.jaas.config={plain}",
            ]
        return "\n".join(lines) + "\n"
