use http::{Request, Response};
use http_body_util::Either as EitherBody;
use tower::util::{Either, MapResponse};
use tower_claude::core::CallBody;
use tower_layer::Layer;
use tower_service::Service;

/// Puts a layer around a service, if there is one.
///
/// Without, a call costs no more than the choice.
pub(crate) fn optional<L, S, A, B>(
    layer: Option<&L>,
    service: S,
) -> impl Service<
    Request<CallBody>,
    Response = Response<EitherBody<A, B>>,
    Error = S::Error,
    Future: Send + 'static,
> + Clone
+ Send
+ use<L, S, A, B>
where
    L: Layer<S>,
    L::Service: Service<Request<CallBody>, Response = Response<A>, Error = S::Error>
        + Clone
        + Send
        + 'static,
    <L::Service as Service<Request<CallBody>>>::Future: Send + 'static,
    S: Service<Request<CallBody>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Send + 'static,
    S::Future: Send + 'static,
    A: Send + 'static,
    B: Send + 'static,
{
    match layer {
        Some(layer) => {
            let layered = |response: Response<_>| response.map(EitherBody::Left);
            Either::Left(MapResponse::new(layer.layer(service), layered))
        }
        None => {
            let plain = |response: Response<_>| response.map(EitherBody::Right);
            Either::Right(MapResponse::new(service, plain))
        }
    }
}
