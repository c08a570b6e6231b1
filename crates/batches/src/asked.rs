use std::fmt::Display;

use http::Response;
use tower_claude_core::{Dialect, Refusal, RefusalKind, RequestId, TenantId};

use crate::gather::NotGathered;
use crate::listing::Listing;
use crate::route::Route;
use crate::{BatchesBody, BookError};

/// What is kept of a request when it is on its way. Its body is not: it may be large.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) dialect: Dialect,
    pub(crate) id: RequestId,
    pub(crate) tenant: TenantId,
    pub(crate) route: Route,
    /// What urls are to begin with.
    pub(crate) base: String,
    /// Of a list.
    pub(crate) listing: Option<Listing>,
}

// === impl Asked ===

impl Asked {
    pub(crate) fn refuse<B>(&self, refusal: Refusal) -> Response<BatchesBody<B>> {
        let response = refusal.respond(self.dialect, self.id);
        response.map(BatchesBody::new)
    }

    /// The batch is unknown, or another's: nobody is told which.
    pub(crate) fn not_found(&self) -> Refusal {
        Refusal::new(RefusalKind::NotFound, "there is no batch of this id")
    }

    /// The book does not say whose a batch is.
    pub(crate) fn unsure(&self, error: BookError) -> Refusal {
        let message = "whose batches these are cannot be found out for now";
        Refusal::new(RefusalKind::Unavailable, message).cause(error)
    }

    /// The batch was made, and the book does not say that it is the tenant's.
    ///
    /// Its id is named, so that somebody can find it; asking again would make another one.
    pub(crate) fn unclaimed(&self, batch: &str, error: BookError) -> Refusal {
        let message = format!(
            "batch {batch} was created, but could not be noted as tenant {}'s: it runs, and is \
             not served here",
            self.tenant
        );
        Refusal::new(RefusalKind::Unavailable, message)
            .cause(error)
            .should_retry(false)
    }

    /// The batch that was made has the id of another's.
    pub(crate) fn taken(&self, batch: &str) -> Refusal {
        let message = format!("upstream created batch {batch}, which is not this tenant's");
        Refusal::new(RefusalKind::BadGateway, message).should_retry(false)
    }

    /// The answer cannot be read, and so not be passed on: it may tell of others.
    pub(crate) fn unreadable(&self, why: impl Display) -> Refusal {
        let why = why.to_string();
        if self.route == Route::Create {
            let message = "upstream took the batch, but its answer cannot be read: it may run";
            return Refusal::new(RefusalKind::BadGateway, message)
                .cause(why)
                .should_retry(false);
        }
        let message = "upstream's answer about batches cannot be read";
        Refusal::new(RefusalKind::BadGateway, message).cause(why)
    }

    pub(crate) fn not_gathered(&self, why: &NotGathered) -> Refusal {
        match why {
            NotGathered::NoMemory if self.route != Route::Create => {
                let message = "too many answers are being read";
                Refusal::new(RefusalKind::Overloaded, message)
                    .retry_after(std::time::Duration::from_secs(1))
            }
            why => self.unreadable(why),
        }
    }
}
