use std::fmt;
use std::sync::LazyLock;

use redis::Cmd;

/// A script, and the name by which a server knows it that has seen it before.
pub(crate) struct Script {
    name: &'static str,
    source: LazyLock<Source>,
}

struct Source {
    text: String,
    sha: String,
}

/// A call of a script.
pub(crate) struct ScriptCall {
    script: &'static Script,
    by_sha: Cmd,
    /// The slot of a cluster that its keys are in.
    slot: u16,
}

pub(crate) static RESERVE: Script =
    Script::new("reserve", || Source::of(include_str!("lua/reserve.lua")));
pub(crate) static SETTLE: Script =
    Script::new("settle", || Source::of(include_str!("lua/settle.lua")));
pub(crate) static USAGE: Script =
    Script::new("usage", || Source::of(include_str!("lua/usage.lua")));
pub(crate) static SWEEP: Script =
    Script::new("sweep", || Source::of(include_str!("lua/sweep.lua")));

// === impl Script ===

impl Script {
    const fn new(name: &'static str, source: fn() -> Source) -> Self {
        Self {
            name,
            source: LazyLock::new(source),
        }
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Script({})", self.name)
    }
}

// === impl Source ===

impl Source {
    /// The books, and what is to be done with them.
    fn of(verb: &str) -> Self {
        let text = format!("{}\n{verb}", include_str!("lua/books.lua"));
        let sha = sha1_smol::Sha1::from(&text).digest().to_string();
        Self { text, sha }
    }
}

// === impl ScriptCall ===

impl ScriptCall {
    pub(crate) fn new(script: &'static Script, keys: &[String]) -> Self {
        let mut by_sha = Cmd::with_capacity(64, 1024);
        by_sha.arg("EVALSHA").arg(&script.source.sha);
        by_sha.arg(keys.len()).arg(keys);
        let first = keys.first().map_or("", String::as_str);
        let slot = slot(first);
        Self {
            script,
            by_sha,
            slot,
        }
    }

    pub(crate) const fn slot(&self) -> u16 {
        self.slot
    }

    pub(crate) fn arg(&mut self, arg: &str) {
        self.by_sha.arg(arg);
    }

    /// For a server that knows the script.
    pub(crate) const fn by_sha(&self) -> &Cmd {
        &self.by_sha
    }

    /// For a server that does not: it knows it from then on.
    ///
    /// Not `SCRIPT LOAD`, which a cluster client sends to all nodes, of which one may be dead.
    pub(crate) fn by_text(&self) -> Cmd {
        let mut cmd = Cmd::new();
        cmd.arg("EVAL").arg(&self.script.source.text);
        for arg in self.by_sha.args_iter().skip(2) {
            if let redis::Arg::Simple(arg) = arg {
                cmd.arg(arg);
            }
        }
        cmd
    }
}

impl fmt::Debug for ScriptCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScriptCall({})", self.script.name)
    }
}

/// The slot of a cluster that a key with a hash tag is in: CRC-16/XMODEM of the tag.
fn slot(key: &str) -> u16 {
    let tag = key
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'));
    let tag = tag.map_or(key, |(tag, _)| tag);
    let crc = tag.bytes().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
            let carry = crc & 0x8000 != 0;
            (crc << 1) ^ if carry { 0x1021 } else { 0 }
        })
    });
    crc % 16_384
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_that_redis_tells() {
        // CLUSTER KEYSLOT of Redis 7.0.
        for (key, expected) in [
            ("foo", 12_182),
            ("a:{foo}:b", 12_182),
            ("123456789", 12_739),
        ] {
            assert_eq!(slot(key), expected, "{key}");
        }
    }
}
