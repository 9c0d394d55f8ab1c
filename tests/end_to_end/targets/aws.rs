//! AWS's IAM and STS, played by moto or ministack: they recompute signatures and check policies. AWS's own Python
//! client asks them. moto is right about users, keys and rotation, ministack about sessions.
use super::tool;
use crate::lessor::free_port;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running stand-in, stopped when dropped.
pub struct Aws {
    child: Child,
    pub endpoint: String,
    /// Access key of a user that may do everything.
    pub root: (String, String),
}

impl Aws {
    fn run(command: &mut Command, port: u16, root: &str) -> Self {
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let endpoint = format!("http://127.0.0.1:{port}");
        let end = Instant::now() + Duration::from_secs(60);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < end, "{command:?} does not answer");
            std::thread::sleep(Duration::from_millis(100));
        }
        Self { child, endpoint, root: (root.into(), root.into()) }
    }

    /// ministack, whose root key is fixed.
    pub fn ministack() -> Self {
        let port = free_port();
        let mut command = Command::new(tool("ministack-1.5", "ministack"));
        command.env("AUTH", "true").env("GATEWAY_PORT", port.to_string()).env("BIND_HOST", "127.0.0.1");
        Self::run(&mut command, port, "test")
    }

    /// moto, with a user of ours that may do everything.
    pub fn moto() -> Self {
        let moto = Self::lenient_moto();
        let enforced = Command::new("curl")
            .args(["-sf", "-X", "POST", "-H", "Content-Type: text/plain", "-d", "0"])
            .arg(format!("{}/moto-api/reset-auth", moto.endpoint))
            .output()
            .unwrap();
        assert!(enforced.status.success());
        moto
    }

    /// The same without its checks of signatures and policies, which trip over requests that are rightly unsigned.
    pub fn lenient_moto() -> Self {
        let port = free_port();
        let mut command = Command::new(tool("moto-5.2", "moto_server"));
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]).env("MOTO_IAM_LOAD_MANAGED_POLICIES", "true");
        let mut moto = Self::run(&mut command, port, "setup");
        let made = moto.python(
            "iam.create_user(UserName='lessor')\n\
             iam.attach_user_policy(UserName='lessor', PolicyArn='arn:aws:iam::aws:policy/AdministratorAccess')\n\
             key = iam.create_access_key(UserName='lessor')['AccessKey']\n\
             print(key['AccessKeyId'], key['SecretAccessKey'])",
        );
        let (id, secret) = made.trim().split_once(' ').unwrap();
        moto.root = (id.to_owned(), secret.to_owned());
        moto
    }

    /// Runs Python with clients `iam` and `sts` of the root user; what it prints.
    pub fn python(&self, code: &str) -> String {
        let (id, secret) = (&self.root.0, &self.root.1);
        match self.as_key(id, secret, "", code) {
            Ok(text) => text,
            Err(text) => panic!("{text}"),
        }
    }

    /// The same as somebody else; an error is what AWS's client says.
    pub fn as_key(&self, id: &str, secret: &str, token: &str, code: &str) -> Result<String, String> {
        let program = format!(
            "import boto3\n\
             keys = dict(aws_access_key_id='{id}', aws_secret_access_key='{secret}', aws_session_token='{token}' or None)\n\
             iam = boto3.client('iam', endpoint_url='{0}', region_name='us-east-1', **keys)\n\
             sts = boto3.client('sts', endpoint_url='{0}', region_name='us-east-1', **keys)\n\
             client = lambda name: boto3.client(name, endpoint_url='{0}', region_name='us-east-1', **keys)\n{code}\n",
            self.endpoint
        );
        let output = Command::new(tool("moto-5.2", "python3")).arg("-c").arg(program).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    pub fn accepts(&self, id: &str, secret: &str) -> bool {
        self.as_key(id, secret, "", "sts.get_caller_identity()").is_ok()
    }

    /// Names of the users that leases made.
    pub fn made(&self) -> Vec<String> {
        let code =
            "print('\\n'.join(u['UserName'] for u in iam.list_users()['Users'] if u['UserName'].startswith('vault-')))";
        self.python(code).split_whitespace().map(str::to_owned).collect()
    }
}

impl Drop for Aws {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
