//! AWS's IAM, STS and EC2, played by moto; AWS's own Python library signs and asks.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "each test file uses its part; a panic is a failed test; nothing else runs while moto starts"
)]
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The account that moto's users are in.
pub const ACCOUNT: &str = "123456789012";

/// An access key.
#[derive(Clone, Debug)]
pub struct Key {
    pub id: String,
    pub secret: String,
    /// Of a session; empty otherwise.
    pub token: String,
}

/// A machine.
pub struct Instance {
    pub id: String,
    pub image: String,
    pub subnet: String,
    pub network: String,
}

/// A running moto, stopped when dropped.
pub struct Moto {
    child: Child,
    pub endpoint: String,
    /// Of a user that may do everything.
    pub root: Key,
}

fn tool(name: &str) -> PathBuf {
    let cache = std::env::var_os("LESSOR_TARGETS").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/lessor-targets");
    cache.unwrap_or_else(home).join("moto-5.2/bin").join(name)
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Moto {
    /// It checks signatures and policies from here on.
    pub fn strict() -> Self {
        let moto = Self::start();
        moto.post("reset-auth", "0");
        moto
    }
    /// It believes every key that it knows.
    pub fn start() -> Self {
        let port = free_port();
        let mut command = Command::new(tool("moto_server"));
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]).env("MOTO_IAM_LOAD_MANAGED_POLICIES", "true");
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let setup = Key { id: "setup".to_owned(), secret: "setup".to_owned(), token: String::new() };
        let mut moto = Self { child, endpoint: format!("http://127.0.0.1:{port}"), root: setup };
        let end = Instant::now() + Duration::from_secs(60);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < end, "moto does not answer");
            std::thread::sleep(Duration::from_millis(100));
        }
        moto.root = moto.user("lessor", "/");
        moto
    }
    fn post(&self, path: &str, body: &str) {
        let url = format!("{}/moto-api/{path}", self.endpoint);
        let mut curl = Command::new("curl");
        curl.args(["-sf", "-X", "POST", "-H", "Content-Type: text/plain", "-d", body, &url]);
        assert!(curl.output().unwrap().status.success());
    }
    /// Runs Python with clients `iam`, `sts` and `ec2` of a key; what it prints.
    pub fn as_key(&self, key: &Key, code: &str) -> Result<String, String> {
        let Key { id, secret, token } = key;
        let program = format!(
            "import boto3, json\n\
             endpoint, key = '{}', ('{id}', '{secret}', '{token}' or None)\n\
             def client(name, region='us-east-1'):\n    return boto3.client(name, endpoint_url=endpoint, \
             region_name=region, aws_access_key_id=key[0], aws_secret_access_key=key[1], aws_session_token=key[2])\n\
             iam, sts, ec2 = client('iam'), client('sts'), client('ec2')\n{code}\n",
            self.endpoint
        );
        let output = Command::new(tool("python3")).arg("-c").arg(program).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }
    /// The same as the user that may do everything.
    pub fn python(&self, code: &str) -> String {
        match self.as_key(&self.root, code) {
            Ok(text) => text,
            Err(text) => panic!("{text}"),
        }
    }
    /// Makes a user that may do everything, with a key.
    pub fn user(&self, name: &str, path: &str) -> Key {
        let made = self.python(&format!(
            "iam.create_user(UserName='{name}', Path='{path}')\n\
             iam.attach_user_policy(UserName='{name}', PolicyArn='arn:aws:iam::aws:policy/AdministratorAccess')\n\
             key = iam.create_access_key(UserName='{name}')['AccessKey']\n\
             print(json.dumps([key['AccessKeyId'], key['SecretAccessKey'], '']))"
        ));
        key(&made)
    }
    /// Makes a role that everybody may take on.
    pub fn role(&self, name: &str, path: &str) {
        self.python(&format!(
            "trust = {{'Version': '2012-10-17', 'Statement': [{{'Effect': 'Allow', 'Action': 'sts:AssumeRole', \
             'Principal': {{'AWS': '*'}}}}]}}\n\
             iam.create_role(RoleName='{name}', Path='{path}', AssumeRolePolicyDocument=json.dumps(trust))\n\
             iam.attach_role_policy(RoleName='{name}', PolicyArn='arn:aws:iam::aws:policy/AdministratorAccess')"
        ));
    }
    /// Takes a role on.
    pub fn session(&self, arn: &str, session: &str) -> Key {
        let made = self.python(&format!(
            "c = sts.assume_role(RoleArn='{arn}', RoleSessionName='{session}')['Credentials']\n\
             print(json.dumps([c['AccessKeyId'], c['SecretAccessKey'], c['SessionToken']]))"
        ));
        key(&made)
    }
    /// Starts an instance in a region: its id, image, subnet and network.
    pub fn instance(&self, region: &str, profile: &str) -> Instance {
        let made = self.python(&format!(
            "ec2 = client('ec2', '{region}')\n\
             image = ec2.describe_images()['Images'][0]['ImageId']\n\
             more = {{'IamInstanceProfile': {{'Name': '{profile}'}}}} if '{profile}' else {{}}\n\
             i = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, **more)['Instances'][0]\n\
             print(json.dumps([i['InstanceId'], image, i['SubnetId'], i['VpcId']]))"
        ));
        let [id, image, subnet, network]: [String; 4] = serde_json::from_str(&made).unwrap();
        Instance { id, image, subnet, network }
    }
    /// Puts a role into an instance profile of the same name.
    pub fn profile(&self, name: &str) {
        self.python(&format!(
            "iam.create_instance_profile(InstanceProfileName='{name}')\n\
             iam.add_role_to_instance_profile(InstanceProfileName='{name}', RoleName='{name}')"
        ));
    }
    /// The question who they are, signed with a key: the parameters of a login.
    pub fn signed(&self, key: &Key, role: &str) -> Value {
        let signed = self.as_key(
            key,
            "import base64\n\
             from botocore.auth import SigV4Auth\n\
             from botocore.awsrequest import AWSRequest\n\
             from botocore.credentials import Credentials\n\
             b = lambda text: base64.b64encode(text.encode()).decode()\n\
             headers = {'Content-Type': 'application/x-www-form-urlencoded; charset=utf-8'}\n\
             body = 'Action=GetCallerIdentity&Version=2011-06-15'\n\
             request = AWSRequest('POST', endpoint + '/', headers=headers, data=body)\n\
             SigV4Auth(Credentials(*key), 'sts', 'us-east-1').add_auth(request)\n\
             print(json.dumps({'iam_http_request_method': 'POST', 'iam_request_url': b(endpoint + '/'), \
             'iam_request_body': b(body), 'iam_request_headers': b(json.dumps(dict(request.headers)))}))",
        );
        let mut login: Value = serde_json::from_str(&signed.unwrap()).unwrap();
        login["role"] = role.into();
        login
    }
    /// Whether AWS believes this key.
    pub fn accepts(&self, key: &Key) -> bool {
        self.as_key(key, "sts.get_caller_identity()").is_ok()
    }
    /// Does not answer any more.
    pub fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn key(text: &str) -> Key {
    let [id, secret, token]: [String; 3] = serde_json::from_str(text).unwrap();
    Key { id, secret, token }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
