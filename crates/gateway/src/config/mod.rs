//! The configuration file: TOML text in, plain typed values out.
//!
//! Every problem of a file is collected in one run, each with its line, and printed as
//! `FILE:LINE: error: message; suggestion`. Nothing here makes
//! layers; their words and plain types are used where they are the same.
//!
//! ```
//! use claude_gateway::config::{Config, Surroundings};
//!
//! let text = r#"
//!     [[targets]]
//!     name = "anthropic"
//!     credential = { env = "ANTHROPIC_API_KEY" }
//!
//!     [plans.standard]
//!     limits = [{ meter = "requests", limit = 300, per = "minuet" }]
//!
//!     [[tenants]]
//!     id = "web"
//!     plan = "standard"
//! "#;
//! let surroundings = Surroundings::default().variables(|_| Some("a-key".to_owned()));
//! let problems = Config::parse_in(text, "gateway.toml", &surroundings).unwrap_err();
//! assert_eq!(
//!     problems.to_string(),
//!     "gateway.toml:7: error: unknown value `minuet` of `plans.limits.per`; did you mean \"minute\"?",
//! );
//! ```
//!
//! What each key means is said at its field; what this build refuses is listed in `not_implemented.rs`.

mod auth;
mod budget;
mod capture;
mod credential;
mod digest;
mod dollars;
mod duration;
mod endpoint;
mod failover;
mod fallback;
mod hedge;
mod known_models;
mod limit;
mod load;
mod nearest;
mod network;
mod not_implemented;
mod plan;
mod price;
mod problem;
mod problems;
mod reader;
mod redundant;
mod retry;
mod root;
mod secret;
mod server;
mod size;
mod surroundings;
mod target;
mod tenant;
mod tenant_key;
mod text;
mod timestamp;
mod usage;
mod wait;

pub use auth::{Auth, AuthMode};
pub use budget::{Budget, Store};
pub use capture::Capture;
pub use credential::{Credential, SecretSource};
pub use dollars::Dollars;
pub use failover::{Breaker, Failover};
pub use fallback::Fallback;
pub use hedge::Hedge;
pub use load::Loaded;
pub use plan::Plan;
pub use price::Price;
pub use problem::{Problem, Severity};
pub use problems::Problems;
pub use retry::Retry;
pub use root::Config;
pub use secret::Secret;
pub use server::Server;
pub use surroundings::Surroundings;
pub use target::{Platform, Target};
pub use tenant::Tenant;
pub use tenant_key::TenantKey;
pub use usage::{OnDisconnect, Rotation, Usage};
pub use wait::Wait;
