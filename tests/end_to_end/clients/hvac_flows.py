"""What hvac's users do all day, through its public API, on the server at VAULT_ADDR with the root token VAULT_TOKEN."""
import base64
import os
import time

import hvac
from hvac import exceptions

ADDRESS = os.environ["VAULT_ADDR"]
done = []


def client(token=None, **more):
    return hvac.Client(url=ADDRESS, token=token, **more)


def refused(kind, call, *args, **kwargs):
    try:
        answer = call(*args, **kwargs)
    except kind as error:
        return str(error)
    raise AssertionError(f"not refused: {answer}")


def wait(done):
    end = time.monotonic() + 20
    while not done():
        assert time.monotonic() < end, "not within 20 s"
        time.sleep(0.05)


def flow(function):
    try:
        function(client(os.environ["VAULT_TOKEN"]))
    except Exception as error:
        raise RuntimeError(f"flow {function.__name__}") from error
    done.append(function.__name__)


@flow
def status_and_health(c):
    assert c.sys.is_initialized() and not c.sys.is_sealed()
    assert c.sys.read_health_status(method="GET")["initialized"] is True
    assert c.sys.read_health_status(method="HEAD").status_code == 200
    assert c.sys.read_seal_status()["sealed"] is False
    assert "ha_enabled" in c.sys.read_leader_status()
    assert c.seal_status["t"] == 1
    assert c.sys.get_encryption_key_status()["data"]["term"] >= 1
    c.sys.rotate_encryption_key()
    assert c.is_authenticated() and not client("nobody").is_authenticated()


@flow
def mounts(c):
    c.sys.enable_secrets_engine("kv", path="one", description="first", config={"default_lease_ttl": "1h"}, options={"version": "1"})
    assert c.sys.list_mounted_secrets_engines()["data"]["one/"]["description"] == "first"
    assert c.sys.read_mount_configuration("one")["data"]["default_lease_ttl"] == 3600
    c.sys.tune_mount_configuration("one", default_lease_ttl="2h", description="second")
    assert c.sys.read_mount_configuration("one")["data"]["default_lease_ttl"] == 7200
    c.sys.move_backend("one", "two")
    # It moves behind the answer.
    wait(lambda: "two/" in c.sys.list_mounted_secrets_engines()["data"])
    assert "one/" not in c.sys.list_mounted_secrets_engines()["data"]
    c.sys.disable_secrets_engine("two")
    refused(exceptions.InvalidRequest, c.sys.enable_secrets_engine, "nosuch")
    c.sys.enable_auth_method("userpass", path="people", description="p")
    c.sys.tune_auth_method("people", max_lease_ttl="5h")
    assert c.sys.read_auth_method_tuning("people")["data"]["max_lease_ttl"] == 18000
    assert "people/" in c.sys.list_auth_methods()["data"]
    c.sys.disable_auth_method("people")


@flow
def kv_one(c):
    c.sys.enable_secrets_engine("kv", path="kv1", options={"version": "1"})
    kv = c.secrets.kv.v1
    kv.create_or_update_secret("a/b", {"x": "1"}, mount_point="kv1")
    assert kv.read_secret("a/b", mount_point="kv1")["data"] == {"x": "1"}
    assert kv.list_secrets("a", mount_point="kv1")["data"]["keys"] == ["b"]
    kv.delete_secret("a/b", mount_point="kv1")
    refused(exceptions.InvalidPath, kv.read_secret, "a/b", mount_point="kv1")


@flow
def kv_two(c):
    kv = c.secrets.kv.v2
    kv.configure(max_versions=7, mount_point="secret")
    assert kv.read_configuration()["data"]["max_versions"] == 7
    kv.create_or_update_secret("app", {"user": "u"}, cas=0)
    assert "check-and-set" in refused(exceptions.InvalidRequest, kv.create_or_update_secret, "app", {}, cas=0)
    kv.patch("app", {"more": 1})
    read = kv.read_secret_version("app", raise_on_deleted_version=True)["data"]
    assert read["data"] == {"user": "u", "more": 1} and read["metadata"]["version"] == 2
    assert kv.read_secret_version("app", version=1, raise_on_deleted_version=True)["data"]["data"] == {"user": "u"}
    kv.delete_latest_version_of_secret("app")
    deleted = kv.read_secret_version("app", raise_on_deleted_version=False)["data"]
    assert deleted["data"] is None and deleted["metadata"]["deletion_time"]
    refused(exceptions.InvalidPath, kv.read_secret_version, "app", raise_on_deleted_version=True)
    kv.undelete_secret_versions("app", [2])
    kv.delete_secret_versions("app", [1])
    kv.destroy_secret_versions("app", [1])
    kv.update_metadata("app", max_versions=3, custom_metadata={"owner": "ann"})
    metadata = kv.read_secret_metadata("app")["data"]
    assert metadata["versions"]["1"]["destroyed"] and metadata["custom_metadata"] == {"owner": "ann"}
    assert kv.list_secrets("")["data"]["keys"] == ["app"]
    kv.delete_metadata_and_all_versions("app")
    refused(exceptions.InvalidPath, kv.read_secret_metadata, "app")


@flow
def policies(c):
    text = 'path "secret/data/app" { capabilities = ["read"] }'
    c.sys.create_or_update_policy("reader", text)
    assert c.sys.read_policy("reader")["data"]["rules"] == text
    c.sys.create_or_update_acl_policy("second", {"path": {"secret/*": {"capabilities": ["list"]}}})
    assert {"reader", "second", "root", "default"} <= set(c.sys.list_acl_policies()["data"]["keys"])
    assert c.get_policy("reader", parse=False) == text
    c.secrets.kv.v2.create_or_update_secret("app", {"user": "u"})
    token = c.auth.token.create(policies=["reader"], ttl="1h")["auth"]["client_token"]
    user = client(token)
    assert user.secrets.kv.v2.read_secret_version("app", raise_on_deleted_version=True)["data"]["data"]["user"] == "u"
    refused(exceptions.Forbidden, user.secrets.kv.v2.create_or_update_secret, "app", {})
    assert c.sys.get_capabilities(["secret/data/app"], token=token)["data"]["capabilities"] == ["read"]
    assert user.sys.get_capabilities(["secret/data/app", "x"])["data"]["x"] == ["deny"]
    c.sys.delete_acl_policy("second")
    c.sys.delete_policy("reader")
    assert "reader" not in c.sys.list_policies()["data"]["policies"]


@flow
def tokens(c):
    made = c.auth.token.create(policies=["default"], ttl="1h", meta={"team": "web"}, display_name="job", num_uses=0)["auth"]
    token, accessor = made["client_token"], made["accessor"]
    looked = c.auth.token.lookup(token)["data"]
    assert looked["meta"] == {"team": "web"} and looked["display_name"] == "token-job" and 3590 <= looked["ttl"] <= 3600
    assert c.auth.token.lookup_accessor(accessor)["data"]["accessor"] == accessor
    assert accessor in c.auth.token.list_accessors()["data"]["keys"]
    user = client(token)
    assert user.auth.token.lookup_self()["data"]["id"] == token
    assert 3590 <= user.auth.token.renew_self()["auth"]["lease_duration"] <= 3600
    assert c.auth.token.renew(token, increment="30m")["auth"]["lease_duration"] <= 1800
    c.auth.token.renew_accessor(accessor)
    child = c.auth.token.create_orphan(ttl="5m", policies=["default"])["auth"]
    assert child["orphan"] is True
    c.auth.token.create_or_update_role("app", allowed_policies=["default"], token_period="1h", orphan=True)
    assert c.auth.token.read_role("app")["data"]["orphan"] is True
    assert c.auth.token.list_roles()["data"]["keys"] == ["app"]
    periodic = c.auth.token.create(role_name="app")["auth"]
    assert periodic["lease_duration"] in (3599, 3600)
    c.auth.token.delete_role("app")
    c.auth.token.revoke_accessor(accessor)
    refused(exceptions.Forbidden, user.auth.token.lookup_self)
    c.auth.token.revoke(child["client_token"])
    c.auth.token.revoke_and_orphan_children(periodic["client_token"])
    last = client(c.auth.token.create(ttl="5m")["auth"]["client_token"])
    last.auth.token.revoke_self()
    refused(exceptions.Forbidden, last.auth.token.lookup_self)
    c.auth.token.tidy()


@flow
def logins(c):
    c.sys.enable_auth_method("approle")
    c.auth.approle.create_or_update_approle("app", token_policies=["default"], token_ttl="10m", secret_id_num_uses=1)
    assert c.auth.approle.list_roles()["data"]["keys"] == ["app"]
    role = c.auth.approle.read_role_id("app")["data"]["role_id"]
    made = c.auth.approle.generate_secret_id("app", metadata={"host": "h1"})["data"]
    login = client().auth.approle.login(role, made["secret_id"])["auth"]
    assert login["metadata"] == {"role_name": "app", "host": "h1"} and login["lease_duration"] in (599, 600)
    refused(exceptions.InvalidRequest, client().auth.approle.login, role, made["secret_id"])
    c.sys.enable_auth_method("userpass")
    c.auth.userpass.create_or_update_user("bob", password="sesame", policies="default")
    user = client()
    user.auth.userpass.login("bob", "sesame")
    assert user.auth.token.lookup_self()["data"]["path"] == "auth/userpass/login/bob"
    user.logout(revoke_token=True)
    refused(exceptions.InvalidRequest, client().auth.userpass.login, "bob", "wrong")


@flow
def wrapping(c):
    wrapped = c.sys.wrap({"a": "b"}, ttl=60)["wrap_info"]
    assert wrapped["creation_path"] == "sys/wrapping/wrap" and wrapped["ttl"] == 60
    assert c.sys.unwrap(wrapped["token"])["data"] == {"a": "b"}
    refused(exceptions.InvalidRequest, c.sys.unwrap, wrapped["token"])
    token = c.auth.token.create(policies=["default"], ttl="1h", wrap_ttl="1m")["wrap_info"]["token"]
    inner = client(token).sys.unwrap()["auth"]["client_token"]
    assert client(inner).is_authenticated()


@flow
def leases_and_databases(c):
    c.sys.enable_secrets_engine("database")
    db = c.secrets.database
    db.configure(
        "main",
        plugin_name="postgresql-database-plugin",
        allowed_roles=["app"],
        connection_url=os.environ["POSTGRES_TEMPLATE"],
        username=os.environ["POSTGRES_USER"],
        password=os.environ["POSTGRES_PASSWORD"],
    )
    assert db.list_connections()["data"]["keys"] == ["main"]
    assert "password" not in db.read_connection("main")["data"]["connection_details"]
    create = "CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}';"
    db.create_role("app", db_name="main", creation_statements=[create], default_ttl="1h", max_ttl="3h")
    assert db.list_roles()["data"]["keys"] == ["app"] and db.read_role("app")["data"]["default_ttl"] == 3600
    made = db.generate_credentials("app")
    assert made["data"]["username"].startswith("v-") and made["lease_duration"] == 3600 and made["renewable"]
    lease = made["lease_id"]
    assert c.sys.read_lease(lease)["data"]["renewable"] is True
    assert c.sys.renew_lease(lease, increment=7200)["lease_duration"] in (7199, 7200)
    assert c.sys.list_leases("database/creds/app")["data"]["keys"] == [lease.rsplit("/", 1)[1]]
    c.sys.revoke_lease(lease)
    db.generate_credentials("app")
    c.sys.revoke_prefix("database/creds/app")
    db.generate_credentials("app")
    c.sys.revoke_force("database/creds/app")
    db.reset_connection("main")
    db.rotate_root_credentials("main")
    assert db.generate_credentials("app")["lease_id"]
    c.sys.disable_secrets_engine("database")


@flow
def transit(c):
    c.sys.enable_secrets_engine("transit")
    t = c.secrets.transit
    t.create_key("k")
    plain = base64.b64encode(b"hello").decode()
    sealed = t.encrypt_data("k", plaintext=plain)["data"]["ciphertext"]
    t.rotate_key("k")
    again = t.rewrap_data("k", ciphertext=sealed)["data"]["ciphertext"]
    assert again.startswith("vault:v2:") and t.decrypt_data("k", ciphertext=again)["data"]["plaintext"] == plain
    key = t.generate_data_key("k", "plaintext")["data"]
    assert t.decrypt_data("k", ciphertext=key["ciphertext"])["data"]["plaintext"] == key["plaintext"]
    mac = t.generate_hmac("k", plain)["data"]["hmac"]
    assert t.verify_signed_data("k", plain, hmac=mac)["data"]["valid"]
    t.create_key("s", key_type="ed25519", exportable=True)
    signature = t.sign_data("s", plain)["data"]["signature"]
    assert t.verify_signed_data("s", plain, signature=signature)["data"]["valid"]
    assert t.export_key("s", "signing-key")["data"]["keys"]["1"]
    assert t.hash_data(plain, "sha2-256")["data"]["sum"]
    assert len(base64.b64decode(t.generate_random_bytes(16)["data"]["random_bytes"])) == 16
    t.update_key_configuration("k", min_decryption_version=2, deletion_allowed=True)
    refused(exceptions.InvalidRequest, t.decrypt_data, "k", ciphertext=sealed)
    assert t.list_keys()["data"]["keys"] == ["k", "s"]
    t.delete_key("k")


@flow
def identity(c):
    i = c.secrets.identity
    entity = i.create_or_update_entity("ann", policies=["default"], metadata={"team": "web"})["data"]["id"]
    accessor = c.sys.list_auth_methods()["data"]["userpass/"]["accessor"]
    alias = i.create_or_update_entity_alias("bob", canonical_id=entity, mount_accessor=accessor)["data"]["id"]
    assert i.read_entity_by_name("ann")["data"]["aliases"][0]["id"] == alias
    user = client()
    user.auth.userpass.login("bob", "sesame")
    assert user.auth.token.lookup_self()["data"]["entity_id"] == entity
    group = i.create_or_update_group("team", member_entity_ids=[entity], policies=["default"])["data"]["id"]
    assert i.read_entity(entity)["data"]["group_ids"] == [group]
    assert i.lookup_entity(name="ann")["data"]["id"] == entity
    assert i.list_entities()["data"]["keys"] and i.list_entities_by_name()["data"]["keys"]
    assert i.list_groups_by_name()["data"]["keys"] == ["team"]
    i.delete_group(group)
    i.delete_entity_alias(alias)
    i.delete_entity(entity)
    i.create_named_key("signer", allowed_client_ids=["*"])
    assert "signer" in i.list_named_keys()["data"]["keys"]
    assert i.read_well_known_configurations()["issuer"]


@flow
def audit(c):
    path = os.environ["AUDIT_FILE"]
    c.sys.enable_audit_device("file", path="trail", options={"file_path": path})
    assert c.sys.list_enabled_audit_devices()["data"]["trail/"]["options"]["file_path"] == path
    c.secrets.kv.v2.create_or_update_secret("audited", {"password": "marked-for-audit"})
    mac = c.sys.calculate_hash("trail", "marked-for-audit")["data"]["hash"]
    text = open(path).read()
    assert mac in text and "marked-for-audit" not in text
    c.sys.disable_audit_device("trail")
    assert "trail/" not in c.sys.list_enabled_audit_devices()["data"]


@flow
def namespaces(c):
    c.sys.create_namespace("team")
    assert c.sys.list_namespaces()["data"]["keys"] == ["team/"]
    inside = client(os.environ["VAULT_TOKEN"], namespace="team")
    inside.sys.enable_secrets_engine("kv", path="own", options={"version": "2"})
    inside.secrets.kv.v2.create_or_update_secret("a", {"x": 1}, mount_point="own")
    assert inside.secrets.kv.v2.read_secret_version("a", mount_point="own", raise_on_deleted_version=True)
    assert "own/" not in c.sys.list_mounted_secrets_engines()["data"]
    inside.sys.disable_secrets_engine("own")
    c.sys.delete_namespace("team")


print(" ".join(done))
