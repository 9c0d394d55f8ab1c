//! A role may let only instances in: their sessions bear their ids, and EC2 says whether they are what they should be.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
mod moto;
#[path = "../../support.rs"]
mod support;

use lessor_auth_aws::AwsFactory;
use moto::{ACCOUNT, Instance, Moto};
use serde_json::{Value, json};
use support::Method;

const REGION: &str = "eu-west-1";
const WEB: &str = "arn:aws:iam::123456789012:role/web";

struct Set {
    moto: Moto,
    method: Method,
    instance: Instance,
}

impl Set {
    async fn new() -> Self {
        let moto = Moto::start();
        moto.role("web", "/");
        moto.profile("web");
        let instance = moto.instance(REGION, "web");
        let method = Method::new(&AwsFactory);
        let (id, secret, at) = (&moto.root.id, &moto.root.secret, &moto.endpoint);
        let config = json!({
            "access_key": id, "secret_key": secret, "endpoint": at, "iam_endpoint": at, "sts_endpoint": at,
        });
        method.write("config/client", config).await;
        let role = json!({
            "bound_iam_principal_arn": WEB, "inferred_entity_type": "ec2_instance", "inferred_aws_region": REGION,
        });
        method.write("role/r", role).await;
        Self { moto, method, instance }
    }
    /// A login of what says that it is this instance.
    fn login(&self, session: &str) -> Value {
        self.moto.signed(&self.moto.session(WEB, session), "r")
    }
    async fn refused(&self, login: &Value, text: &str) {
        let (status, error) = self.method.refused("login", login.clone()).await;
        assert!(status == 400 && error.contains(text), "{status} {error}");
    }
}

#[tokio::test]
async fn only_a_running_instance_is_let_in_and_renews_while_it_runs() {
    let mut set = Set::new().await;
    let id = set.instance.id.clone();
    let signed = set.login(&id);
    let login = set.method.log_in("login", signed.clone()).await.unwrap();
    assert_eq!(login.metadata["inferred_entity_id"], id);
    assert_eq!(login.metadata["inferred_entity_type"], "ec2_instance");
    assert_eq!(login.metadata["inferred_aws_region"], REGION);
    set.method.renew(&login).await.unwrap();
    set.refused(&set.login("somebody"), "this is no id of an instance").await;
    set.refused(&set.login("i-00000000000000000"), "InvalidInstanceID.NotFound").await;
    let user = set.moto.user("bob", "/");
    let bob = json!({ "bound_iam_principal_arn": [WEB, "arn:aws:iam::123456789012:user/*"] });
    set.method.write("role/r", bob).await;
    set.refused(&set.moto.signed(&user, "r"), "is no session of an instance").await;
    set.moto.python(&format!("client('ec2', '{REGION}').stop_instances(InstanceIds=['{id}'])"));
    set.refused(&signed, "instance is not in 'running' state").await;
    assert!(set.method.renew(&login).await.unwrap_err().to_string().contains("not in 'running' state"));
    set.method.write("role/r", json!({ "inferred_entity_type": "" })).await;
    set.method.renew(&login).await.unwrap();
    set.method.write("role/r", json!({ "inferred_entity_type": "ec2_instance", "inferred_aws_region": REGION })).await;
    set.method.write("config/client", json!({ "max_retries": 0 })).await;
    set.moto.stop();
    assert_eq!(set.method.renew(&login).await.unwrap_err().status(), 500);
}

#[tokio::test]
async fn an_instance_has_to_be_what_every_bound_says() {
    let set = Set::new().await;
    let Instance { id, image, subnet, network } = &set.instance;
    let signed = set.login(id);
    let profile = format!("arn:aws:iam::{ACCOUNT}:instance-profile/web");
    let good = [
        ("bound_account_id", ACCOUNT),
        ("bound_ami_id", image),
        ("bound_ec2_instance_id", id),
        ("bound_subnet_id", subnet),
        ("bound_vpc_id", network),
        ("bound_iam_instance_profile_arn", &profile),
        ("bound_iam_role_arn", WEB),
    ];
    for (name, value) in good {
        set.method.write("role/r", json!({ name: value })).await;
    }
    set.method.log_in("login", signed.clone()).await.unwrap();
    for (name, value) in &good[1..] {
        let wrong = format!("{}x", &value[..value.len() - 1]);
        set.method.write("role/r", json!({ *name: wrong })).await;
        set.refused(&signed, "does not satisfy the role's bounds").await;
        set.method.write("role/r", json!({ *name: value })).await;
    }
    set.method.write("role/r", json!({ "bound_account_id": "1" })).await;
    set.refused(&signed, "does not belong to the role").await;
    let patterns = json!({
        "bound_account_id": [], "bound_iam_role_arn": "arn:aws:iam::123456789012:role/w*",
        "bound_iam_instance_profile_arn": "arn:aws:iam::123456789012:instance-profile/*",
    });
    set.method.write("role/r", patterns).await;
    set.method.log_in("login", signed).await.unwrap();
    let bare = set.moto.instance(REGION, "");
    set.method.write("role/r", json!({ "bound_ec2_instance_id": [], "bound_iam_instance_profile_arn": [] })).await;
    set.refused(&set.login(&bare.id), "it has no IAM instance profile").await;
}

#[tokio::test]
async fn a_role_that_cannot_be_meant_is_refused() {
    let method = Method::new(&AwsFactory);
    let with = |more: Value| {
        let mut role = json!({ "bound_iam_principal_arn": "arn:aws:iam::1:role/*" });
        role.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        role
    };
    for (more, text) in [
        (json!({ "inferred_entity_type": "ec2_instance" }), "but not inferred_aws_region"),
        (json!({ "inferred_aws_region": "eu-west-1" }), "but not inferred_entity_type"),
        (json!({ "inferred_entity_type": "x", "inferred_aws_region": "y" }), "specified invalid inferred_entity_type"),
        (json!({ "inferred_entity_type": "ec2_instance", "inferred_aws_region": "a.b/" }), "is no region"),
        (json!({ "bound_ami_id": "ami-1" }), "not specifying ec2 auth_type or inferring ec2_instance"),
        (json!({ "bound_region": "eu-west-1" }), "not specifying ec2 auth_type"),
        (json!({ "auth_type": "ec2" }), "not specifying iam auth_type"),
        (json!({ "auth_type": "x" }), "unrecognized auth_type: x"),
        (json!({ "bound_iam_principal_arn": [] }), "at least one bound parameter"),
        (json!({ "bound_iam_principal_arn": "bob" }), "is no ARN"),
        (json!({ "bound_iam_principal_arn": "bob*" }), "is no ARN"),
        (json!({ "role_tag": "x" }), "when not using ec2 auth method"),
        (json!({ "allow_instance_migration": true }), "when not using ec2 auth type"),
        (json!({ "disallow_reauthentication": true }), "when not using ec2 auth type"),
    ] {
        let (status, error) = method.refused("role/r", with(more)).await;
        assert!(status == 400 && error.contains(text), "{text}: {error}");
    }
    assert_eq!(method.read("role/r").await, Value::Null);
}
