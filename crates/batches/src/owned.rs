use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tower_claude_core::TenantId;

use crate::shared::Shared;
use crate::{BatchBook, BookError};

/// Finds out which of many batches are a tenant's, some at a time.
pub(crate) struct Owned<K>
where
    K: BatchBook,
{
    shared: Arc<Shared<K>>,
    tenant: TenantId,
    batches: Vec<Box<str>>,
    /// How many of them have been asked about.
    asked: usize,
    /// What has not been answered yet, and about which of them.
    open: Vec<(usize, Pin<Box<K::Owner>>)>,
    is_owned: Vec<bool>,
}

/// How many are asked about at a time: a book that is elsewhere answers them together.
const AT_A_TIME: usize = 64;

// === impl Owned ===

impl<K> Owned<K>
where
    K: BatchBook,
{
    pub(crate) fn new(shared: Arc<Shared<K>>, tenant: TenantId, batches: Vec<Box<str>>) -> Self {
        Self {
            shared,
            tenant,
            asked: 0,
            open: Vec::with_capacity(batches.len().min(AT_A_TIME)),
            is_owned: vec![false; batches.len()],
            batches,
        }
    }

    /// Whether each of them is the tenant's; an error if that is not certain of one.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Vec<bool>, BookError>> {
        loop {
            while self.open.len() < AT_A_TIME
                && let Some(batch) = self.batches.get(self.asked)
            {
                let owner = self.shared.book.owner(batch);
                self.open.push((self.asked, Box::pin(owner)));
                self.asked += 1;
            }
            if self.open.is_empty() {
                return Poll::Ready(Ok(std::mem::take(&mut self.is_owned)));
            }
            let before = self.open.len();
            let mut failed = None;
            let (tenant, is_owned) = (&self.tenant, &mut self.is_owned);
            self.open.retain_mut(|(number, owner)| {
                let Poll::Ready(answer) = owner.as_mut().poll(cx) else {
                    return true;
                };
                match answer {
                    Ok(owner) => {
                        if let Some(is_owned) = is_owned.get_mut(*number) {
                            *is_owned = owner.as_ref() == Some(tenant);
                        }
                    }
                    Err(error) => failed = Some(error),
                }
                false
            });
            if let Some(error) = failed {
                return Poll::Ready(Err(error));
            }
            if self.open.len() == before {
                return Poll::Pending;
            }
        }
    }
}
