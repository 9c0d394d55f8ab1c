//! A network of its own: a bridge on this machine, and for every node a network namespace behind it, so that nodes can be
//! cut off from the storage, from the clients, or from both.
use std::path::Path;
use std::process::Command;

/// Whom a node is cut off from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    Storage,
    Clients,
}

/// The bridge `10.77.<number>.1` (the clients) and `.2` (storage and platforms), nodes from `.11` on.
pub struct Net {
    number: u8,
    nodes: usize,
}

fn ip(arguments: &[&str]) -> bool {
    Command::new("ip").args(arguments).output().is_ok_and(|output| output.status.success())
}

impl Net {
    pub fn new(nodes: usize) -> Self {
        let number = (1..250).find(|number| ip(&["link", "add", &format!("lsr{number}"), "type", "bridge"]));
        let net = Self { number: number.expect("bridges can be made (root and iproute2)"), nodes };
        let bridge = net.bridge();
        for last in [1, 2] {
            assert!(ip(&["addr", "add", &format!("10.77.{}.{last}/24", net.number), "dev", &bridge]));
        }
        assert!(ip(&["link", "set", &bridge, "up"]));
        for node in 0..nodes {
            let (space, outside) = (net.space(node), format!("lsr{}n{node}", net.number));
            assert!(ip(&["netns", "add", &space]), "network namespaces can be made");
            let pair = ["link", "add", &outside, "type", "veth", "peer", "name", "eth0", "netns", &space];
            assert!(ip(&pair) && ip(&["link", "set", &outside, "master", &bridge, "up"]));
            for arguments in [
                vec!["link", "set", "lo", "up"],
                vec!["addr", "add", &format!("{}/24", net.node(node)), "dev", "eth0"],
                vec!["link", "set", "eth0", "up"],
            ] {
                assert!(ip(&[&["-n", &space], arguments.as_slice()].concat()));
            }
        }
        net
    }
    fn bridge(&self) -> String {
        format!("lsr{}", self.number)
    }
    fn space(&self, node: usize) -> String {
        format!("lsr{}-{node}", self.number)
    }
    pub fn storage(&self) -> String {
        format!("10.77.{}.2", self.number)
    }
    pub fn node(&self, node: usize) -> String {
        format!("10.77.{}.{}", self.number, 11 + node)
    }
    /// A program on a node's host.
    pub fn on(&self, node: usize, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.space(node)]).arg(program);
        command
    }
    fn hole(&self, node: usize, side: Side, what: &str) {
        let last = if side == Side::Storage { 2 } else { 1 };
        let address = format!("10.77.{}.{last}/32", self.number);
        assert!(ip(&["-n", &self.space(node), "route", what, "blackhole", &address]), "{what} {address}");
    }
    pub fn cut(&self, node: usize, side: Side) {
        self.hole(node, side, "add");
    }
    pub fn heal(&self, node: usize, side: Side) {
        self.hole(node, side, "del");
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for node in 0..self.nodes {
            ip(&["netns", "del", &self.space(node)]);
        }
        ip(&["link", "del", &self.bridge()]);
    }
}
