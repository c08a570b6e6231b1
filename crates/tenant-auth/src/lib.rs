//! Two tower layers that answer: who is calling Claude, and what may they ask for?
//!
//! [`TenantAuthLayer`] takes the caller's credential, asks an [`Authenticate`] whose it is,
//! and puts the [`Tenant`] into the request's extensions; [`AuthorizeLayer`] checks the
//! endpoint, the model and the residency against what that tenant may use. Each works alone.
//!
//! ```
//! # use http_body_util::{BodyExt as _, Full};
//! # use tower::{Layer as _, ServiceExt as _};
//! # use tower_claude_testkit::FakeClaude;
//! use tower_claude_core::{Tenant, TenantId};
//! use tower_claude_tenant_auth::{KeyDigest, StaticKeys, TenantAuthLayer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let web = Tenant::new(TenantId::new("web")?);
//! // A configuration holds the digest only: `KeyDigest::parse("sha256:…")`.
//! let digest = KeyDigest::of("a-key-of-16-or-more-characters");
//! let layer = TenantAuthLayer::new(StaticKeys::new([(digest, web)])?);
//! # let service = layer.layer(FakeClaude::default());
//! # let body = r#"{"model":"claude-opus-5-5","max_tokens":9,"messages":[]}"#;
//!
//! let request = http::Request::post("/v1/messages")
//!     .header("x-api-key", "a-key-of-16-or-more-characters")
//!     .body(Full::from(body))?;
//! # let response = service.clone().oneshot(request).await?;
//! assert_eq!(response.status(), 200);
//! # let request = http::Request::post("/v1/messages").body(Full::from(body))?;
//! # assert_eq!(service.oneshot(request).await?.status(), 401);
//! # Ok(())
//! # }
//! ```
//!
//! An authenticator of one's own, and what tenants may ask for:
//!
//! ```
//! # use http_body_util::Full;
//! # use tower::{Layer as _, ServiceBuilder, ServiceExt as _};
//! # use tower_claude_testkit::FakeClaude;
//! use tower_claude_core::{Endpoint, Tenant, TenantId};
//! use tower_claude_tenant_auth::{AuthFailure, AuthorizeLayer, Credential, TenantAuthLayer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let app = Tenant::new(TenantId::new("app")?)
//!     .models(["claude-haiku-*".into()])
//!     .endpoints([Endpoint::Messages])
//!     .residency(["eu".into()]);
//! let key = Credential::new("the-only-key-there-is")?;
//!
//! let service = ServiceBuilder::new()
//!     .layer(TenantAuthLayer::new(move |credential: Credential| {
//!         // A look-up elsewhere would be an `async` block.
//!         let known = (credential == key).then(|| app.clone());
//!         std::future::ready(known.ok_or_else(|| AuthFailure::Unknown.into()))
//!     }))
//!     .layer(
//!         AuthorizeLayer::new()
//!             .priced(|model| model.starts_with("claude-"))
//!             .residencies(["us", "eu"]),
//!     )
//!     .service(FakeClaude::default());
//!
//! let request = http::Request::post("/v1/messages")
//!     .header("authorization", "Bearer the-only-key-there-is")
//!     .body(Full::from(
//!         r#"{"model":"claude-opus-5-5","max_tokens":9,"messages":[]}"#,
//!     ))?;
//! let response = service.oneshot(request).await?;
//! assert_eq!(response.status(), 403); // tenant app may not use model claude-opus-5-5
//! # Ok(())
//! # }
//! ```
//!
//! # The credential
//!
//! It is read from `x-api-key` and from `authorization: Bearer`, because official clients use
//! either and some helpers both. Equal ones are one; different ones are refused with a 400;
//! none, or one that is not accepted for any reason, with a 401 in one text. The reason is the
//! cause of the [`Refusal`] in the response's extensions: [`AuthFailure::of`].
//!
//! # Order
//!
//! [`TenantAuthLayer`] goes outermost: whatever is inside sees a [`Tenant`] and no credential
//! ([the table](TenantAuthLayer)). [`AuthorizeLayer`] goes inside it, and inside a meter that
//! is to record what was refused. `x-feature`, `x-user-id` and `x-session-id` are left alone.
//!
//! # Extensions
//!
//! | type | [`TenantAuth`] | [`Authorize`] | absent means |
//! |---|---|---|---|
//! | [`Tenant`] | removes a foreign one, adds the right one | reads | refused with a 401 |
//! | [`RequestId`] | reads, or adds | reads | one is made |
//! | [`Call`] | reads the id | reads, or adds | the body is read |
//! | [`Refusal`] | adds to responses | adds to responses | |
//!
//! # Cancellation
//!
//! Neither layer has done anything before the inner service is called: dropping the response
//! future earlier drops the authenticator's future or the body, later the inner call.
//!
//! # Features
//!
//! - `keygen`: `Key::generate`, new keys from the operating system's randomness.
//!
//! [`Call`]: tower_claude_core::Call
//! [`Refusal`]: tower_claude_core::Refusal
//! [`RequestId`]: tower_claude_core::RequestId
//! [`Tenant`]: tower_claude_core::Tenant

#![cfg_attr(docsrs, feature(doc_cfg))]

mod auth_failure;
mod authenticate;
pub mod authorize;
mod credential;
mod error;
mod future;
mod headers;
mod key;
mod key_digest;
mod layer;
mod refused;
mod service;
mod static_key;
mod static_keys;

pub use auth_failure::AuthFailure;
pub use authenticate::Authenticate;
pub use authorize::{Authorize, AuthorizeLayer, Residencies};
pub use credential::Credential;
pub use error::ConfigError;
pub use future::ResponseFuture;
pub use key::Key;
pub use key_digest::KeyDigest;
pub use layer::TenantAuthLayer;
pub use service::TenantAuth;
pub use static_key::StaticKey;
pub use static_keys::StaticKeys;
