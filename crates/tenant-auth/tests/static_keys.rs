//! The table of keys: what it takes, and how it is replaced under way.

mod support;

use std::sync::Arc;

use support::{KEY, Recorder, ask, call, keys, tenant};
use tower::Layer as _;
use tower_claude_core::Timestamp;
use tower_claude_tenant_auth::{
    Authenticate as _, Credential, KeyDigest, StaticKey, StaticKeys, TenantAuthLayer,
};

#[tokio::test]
async fn a_replaced_table_is_seen_by_the_next_call_and_a_bad_one_by_none() {
    let keys = keys();
    let service = TenantAuthLayer::new(keys.clone()).layer(Recorder::default());
    let status = async |key: &str| {
        ask(service.clone(), call(&[("x-api-key", key)]))
            .await
            .status
    };
    assert_eq!(status(KEY).await, 200);

    let next = (KeyDigest::of("the-next-key-of-web"), tenant("web"));
    let twice = [next.clone(), next.clone()];
    assert!(keys.replace(twice).is_err());
    assert_eq!(status(KEY).await, 200, "the old table stays");

    keys.replace([next]).unwrap();
    assert_eq!(status(KEY).await, 401);
    assert_eq!(status("the-next-key-of-web").await, 200);
}

#[tokio::test]
async fn an_arc_of_an_authenticator_is_one() {
    let credential = Credential::new(KEY).unwrap();
    let tenant = Arc::new(keys()).authenticate(credential).await.unwrap();
    assert_eq!(tenant.id().as_str(), "web");
}

#[test]
fn keys_that_cannot_be_meant_are_errors_that_name_the_tenants() {
    let digest = KeyDigest::of(KEY);
    let error = StaticKeys::new([(digest, tenant("web")), (digest, tenant("app"))]).unwrap_err();
    assert_eq!(error.to_string(), "tenants web and app have the same key");
    let error = StaticKeys::new([(digest, tenant("web")), (digest, tenant("web"))]).unwrap_err();
    assert_eq!(error.to_string(), "tenant web has the same key twice");
    let never = StaticKey::new(digest, tenant("web"))
        .not_before(Timestamp::from_unix_millis(2))
        .not_after(Timestamp::from_unix_millis(1));
    let error = StaticKeys::new([never]).unwrap_err();
    assert!(error.to_string().contains("tenant web is never valid"));
}
