use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Either as EitherBody;
use tower::util::{Either, MapRequest, MapResponse};
use tower_claude::CaptureLayer;
use tower_claude::capture::{CaptureBody, CaptureFile};
use tower_claude::core::{BoxError, CallBody};
use tower_layer::Layer as _;
use tower_service::Service;

/// Keeps what was said in calls to the service, if there is somewhere to keep it.
///
/// Without, a call costs no more than the choice.
pub(crate) fn captured<S, ReqB, ResB>(
    layer: Option<&CaptureLayer<CaptureFile>>,
    service: S,
) -> impl Service<
    Request<ReqB>,
    Response = Response<EitherBody<CaptureBody<ResB>, ResB>>,
    Error = S::Error,
    Future: Send + 'static,
> + Clone
+ Send
+ use<S, ReqB, ResB>
where
    S: Service<Request<CallBody>, Response = Response<ResB>> + Clone + Send + 'static,
    S::Error: Send + 'static,
    S::Future: Send + 'static,
    ReqB: Body<Data = Bytes> + Send + 'static,
    ReqB::Error: Into<BoxError>,
    ResB: Body<Data = Bytes> + Send + 'static,
{
    match layer {
        Some(layer) => {
            let kept = |response: Response<_>| response.map(EitherBody::Left);
            Either::Left(MapResponse::new(layer.layer(service), kept))
        }
        None => {
            let plain = |response: Response<_>| response.map(EitherBody::Right);
            let service = MapResponse::new(service, plain);
            let request = |request: Request<ReqB>| request.map(CallBody::new);
            Either::Right(MapRequest::new(service, request))
        }
    }
}
