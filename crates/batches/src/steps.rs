//! What follows from what, in a call of the batches API.

use std::sync::Arc;

use bytes::Bytes;
use http::header::ACCEPT_ENCODING;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use tower_claude_core::{
    BoxError, CallBody, Endpoint, Prepared, Refusal, RefusalKind, ResponseBody, Tenant,
};

use crate::asked::Asked;
use crate::batch_call::State;
use crate::edits::Edits;
use crate::gather::{Gather, Gathered};
use crate::items::Items;
use crate::listing::Listing;
use crate::object::Object;
use crate::owned::Owned;
use crate::page::Page;
use crate::route::{Errand, Route};
use crate::shared::Shared;
use crate::{BatchBook, BatchesBody};

/// How often a book is told whose a batch is that has been made, as long as it fails.
const CLAIMS: u32 = 5;

/// What a step has led to.
pub(crate) enum Next<State, ResB> {
    /// Upstream is to be asked.
    Call(Request<CallBody>),
    /// Something else is to be waited for.
    State(State),
    Answer(Response<BatchesBody<ResB>>),
    Refuse(Refusal),
}

pub(crate) type NextOf<F, ResB, K> =
    Next<State<F, ResB, K, <K as BatchBook>::Owner, <K as BatchBook>::Claim>, ResB>;

/// Finds out what is asked, and what there is to do before upstream is.
pub(crate) fn begin<F, ResB, K>(
    prepared: Prepared,
    shared: &Arc<Shared<K>>,
    asked: &mut Option<Asked>,
) -> NextOf<F, ResB, K>
where
    K: BatchBook,
{
    let Prepared {
        mut request, call, ..
    } = prepared;
    if call.endpoint() != Endpoint::Batches {
        return Next::Call(request);
    }
    let refuse = |refusal: Refusal| {
        let answer = refusal.respond(call.dialect(), call.id());
        Next::Answer(answer.map(BatchesBody::new))
    };
    let Some(tenant) = request.extensions().get::<Tenant>().cloned() else {
        let message = "a batch is a tenant's, and this call is nobody's";
        return refuse(Refusal::new(RefusalKind::Unauthenticated, message));
    };
    let route = match Route::of(request.method(), request.uri().path()) {
        Ok(route) => route,
        Err(refusal) => return refuse(refusal),
    };
    let base = &shared.settings.base;
    let asked = asked.insert(Asked {
        dialect: call.dialect(),
        id: call.id(),
        tenant: tenant.id().clone(),
        route,
        base: base.of(request.uri(), request.headers()),
        listing: None,
    });
    let identity = HeaderValue::from_static("identity");
    request.headers_mut().insert(ACCEPT_ENCODING, identity);
    match &asked.route {
        Route::Create => {
            let body = request.body().as_bytes().cloned().unwrap_or_default();
            Next::State(State::Check {
                items: Items::new(body, tenant),
                request: Some(request),
            })
        }
        Route::List => {
            asked.listing = Some(Listing::new(&request));
            Next::Call(request)
        }
        Route::Of(batch, _) => Next::State(State::Own {
            owner: shared.book.owner(batch),
            request: Some(request),
        }),
    }
}

/// Passes an answer on, or reads it if it tells of batches.
pub(crate) fn answered<F, ResB, K>(
    answer: Response<ResB>,
    shared: &Shared<K>,
    asked: Option<&Asked>,
) -> NextOf<F, ResB, K>
where
    ResB: Body<Data = Bytes>,
    ResB::Error: Into<BoxError>,
    K: BatchBook,
{
    let tells = |asked: &&Asked| match asked.route {
        Route::Create | Route::List => true,
        Route::Of(_, errand) => matches!(errand, Errand::Retrieve | Errand::Cancel),
    };
    let asked = asked.filter(tells).filter(|_| answer.status().is_success());
    let Some(asked) = asked else {
        let untouched = |body| BatchesBody::new(ResponseBody::inner(body));
        return Next::Answer(answer.map(untouched));
    };
    match Gather::new(answer, shared.settings.memory.clone()) {
        Ok(gather) => Next::State(State::Gather { gather }),
        Err(why) => Next::Refuse(asked.not_gathered(&why)),
    }
}

/// Finds out what is to be asked about an answer before the caller gets it.
pub(crate) fn gathered_up<F, ResB, K>(
    answer: Gathered,
    shared: &Arc<Shared<K>>,
    asked: &Asked,
) -> NextOf<F, ResB, K>
where
    K: BatchBook,
{
    if asked.route == Route::List {
        let Some(page) = Page::read(&answer.bytes) else {
            return Next::Refuse(asked.unreadable("it is no list of batches"));
        };
        let batches: Vec<Box<str>> = page.ids().map(Into::into).collect();
        let owned = Owned::new(Arc::clone(shared), asked.tenant.clone(), batches);
        return Next::State(State::Sort {
            owned,
            answer: Some(answer),
        });
    }
    let Some(batch) = Object::read(&answer.bytes).map(|object| object.id) else {
        return Next::Refuse(asked.unreadable("it is no batch"));
    };
    match &asked.route {
        Route::Of(id, _) if **id != *batch => {
            Next::Refuse(asked.unreadable("it is another batch than the one that was asked for"))
        }
        Route::Of(..) => rewrite(answer, asked),
        _ => Next::State(State::Claim {
            claim: shared.book.claim(&asked.tenant, &batch),
            answer: Some(answer),
            tries_left: CLAIMS - 1,
        }),
    }
}

/// Answers with a batch, the url of its results leading through us.
pub(crate) fn rewrite<State, ResB>(answer: Gathered, asked: &Asked) -> Next<State, ResB> {
    let Some(object) = Object::read(&answer.bytes) else {
        return Next::Refuse(asked.unreadable("it is no batch"));
    };
    let mut edits = Edits::default();
    if let Some((place, url)) = object.url_through(&asked.base) {
        edits.replace(place, url);
    }
    let bytes = edits.apply(&answer.bytes);
    Next::Answer(answer.respond(bytes))
}

/// Answers with those batches of a list that are the tenant's; if none is, goes
/// on to the next page.
pub(crate) fn cut<F, ResB, K>(
    answer: Gathered,
    is_owned: &[bool],
    asked: &mut Asked,
) -> NextOf<F, ResB, K>
where
    K: BatchBook,
{
    let Some(page) = Page::read(&answer.bytes) else {
        return Next::Refuse(asked.unreadable("it is no list of batches"));
    };
    if !is_owned.contains(&true)
        && let Some(request) = asked
            .listing
            .as_mut()
            .and_then(|listing| listing.go_on(&page))
    {
        return Next::State(State::Again {
            request: Some(request),
        });
    }
    let bytes = page.edits(is_owned, &asked.base).apply(&answer.bytes);
    Next::Answer(answer.respond(bytes))
}
