use std::time::Duration;

use crate::redis_server::{RedisServer, now, pause};

/// A cluster of three real masters without replicas, each with a third of the slots.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
}

const SLOTS: [(u32, u32); 3] = [(0, 5_460), (5_461, 10_922), (10_923, 16_383)];
const READY_WITHIN: Duration = Duration::from_secs(20);

// === impl RedisCluster ===

impl RedisCluster {
    /// Starts the nodes and makes a cluster of them.
    ///
    /// # Panics
    ///
    /// There is no `redis-server` here, or the nodes do not find together.
    #[must_use]
    pub fn start() -> Self {
        let options = [
            "--cluster-enabled",
            "yes",
            // A dead master shuts its own slots only.
            "--cluster-require-full-coverage",
            "no",
            "--cluster-node-timeout",
            "2000",
        ];
        let nodes: Vec<_> = SLOTS.iter().map(|_| RedisServer::with(&options)).collect();
        for ((node, (first, last)), epoch) in nodes.iter().zip(SLOTS).zip(1..) {
            ask(node, &format!("CLUSTER SET-CONFIG-EPOCH {epoch}"));
            ask(node, &format!("CLUSTER ADDSLOTSRANGE {first} {last}"));
        }
        for node in &nodes[1..] {
            let addr = node.addr();
            let meet = format!("CLUSTER MEET {} {}", addr.ip(), addr.port());
            ask(&nodes[0], &meet);
        }
        let began = now();
        let is_ready = |node: &RedisServer| {
            let info = node.ask("CLUSTER INFO").unwrap_or_default();
            info.contains("cluster_state:ok") && info.contains("cluster_slots_ok:16384")
        };
        while !nodes.iter().all(is_ready) {
            assert!(began.elapsed() < READY_WITHIN, "the nodes find no cluster");
            pause(Duration::from_millis(20));
        }
        Self { nodes }
    }

    /// The addresses of all nodes, separated by commas.
    #[must_use]
    pub fn urls(&self) -> String {
        let urls: Vec<_> = self.nodes.iter().map(RedisServer::url).collect();
        urls.join(",")
    }

    /// The nodes, in the order of their slots.
    pub fn nodes(&mut self) -> &mut [RedisServer] {
        &mut self.nodes
    }
}

fn ask(node: &RedisServer, command: &str) {
    if let Err(error) = node.ask(command) {
        panic!("{command}: {error}");
    }
}
