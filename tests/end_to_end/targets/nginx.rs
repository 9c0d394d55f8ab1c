//! nginx that asks its clients for certificates.
use crate::lessor::free_port;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server. Stopped when dropped.
pub struct Nginx {
    child: Child,
    pub port: u16,
    directory: PathBuf,
}

impl Nginx {
    /// Serves with `server.pem` and `server.key`, lets in whom `ca.pem` issued and `crl.pem` does not name; all of them files
    /// of the directory.
    pub fn start(directory: &Path) -> Self {
        let port = free_port();
        let at = directory.display();
        let config = format!(
            "daemon off; master_process off; worker_processes 1; pid {at}/nginx.pid; error_log {at}/error.log;\n\
             events {{}}\nhttp {{ access_log off;\n\
             client_body_temp_path {at}/t1; proxy_temp_path {at}/t2; fastcgi_temp_path {at}/t3; uwsgi_temp_path {at}/t4; scgi_temp_path {at}/t5;\n\
             server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {at}/server.pem; ssl_certificate_key {at}/server.key;\n\
             ssl_client_certificate {at}/ca.pem; ssl_verify_client on; ssl_verify_depth 3; ssl_crl {at}/crl.pem;\n\
             location / {{ return 200 \"hello $ssl_client_s_dn\\n\"; }} }} }}\n"
        );
        std::fs::write(directory.join("nginx.conf"), config).unwrap();
        Self { child: Self::spawn(directory, port), port, directory: directory.to_owned() }
    }

    fn spawn(directory: &Path, port: u16) -> Child {
        let child = Command::new("/usr/sbin/nginx")
            .arg("-c")
            .arg(directory.join("nginx.conf"))
            .args(["-p", directory.to_str().unwrap()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx is not here: run tests/install.sh");
        let end = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = || std::fs::read_to_string(directory.join("error.log")).unwrap_or_default();
            assert!(Instant::now() < end, "nginx does not answer: {}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
        child
    }

    /// With its files read again.
    pub fn restart(&mut self) {
        self.stop();
        self.child = Self::spawn(&self.directory, self.port);
    }

    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.stop();
    }
}
