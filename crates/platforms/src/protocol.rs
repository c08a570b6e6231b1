/// Which versions of HTTP a client speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// HTTP/2 where a server offers it during the TLS handshake, else HTTP/1.1.
    #[default]
    Negotiated,
    /// HTTP/1.1: a connection for each call under way, so that none shares another's fate.
    Http1,
    /// HTTP/2, without TLS by prior knowledge.
    Http2,
}
