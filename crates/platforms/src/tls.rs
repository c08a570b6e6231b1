use std::sync::Arc;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::{ConfigError, Protocol};

/// Authorities beside the built-in ones.
pub(crate) type Authorities = Vec<CertificateDer<'static>>;

/// Reads the certificates in a PEM text; at least one.
pub(crate) fn read_authorities(pem: &[u8]) -> Result<Authorities, ConfigError> {
    let authorities = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Authorities, _>>()
        .map_err(|error| ConfigError::caused("the certificates cannot be read", error))?;
    if authorities.is_empty() {
        return Err(ConfigError::new("there is no certificate"));
    }
    Ok(authorities)
}

pub(crate) fn connector(
    http: HttpConnector,
    protocol: Protocol,
    authorities: &[CertificateDer<'static>],
) -> Result<HttpsConnector<HttpConnector>, ConfigError> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    for authority in authorities {
        roots
            .add(authority.clone())
            .map_err(|error| ConfigError::caused("a certificate is no authority", error))?;
    }
    // Named, because another crate of the process may bring a second one, and then rustls
    // does not choose.
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| ConfigError::caused("tls cannot be set up", error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let builder = HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_or_http();
    Ok(match protocol {
        Protocol::Negotiated => builder.enable_all_versions().wrap_connector(http),
        Protocol::Http1 => builder.enable_http1().wrap_connector(http),
        Protocol::Http2 => builder.enable_http2().wrap_connector(http),
    })
}
