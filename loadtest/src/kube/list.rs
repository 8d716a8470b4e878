//! Lists of the API server, in pages.

use kube::Resource;
use kube::api::{Api, ListParams};
use serde::de::DeserializeOwned;

use super::Failure;

/// The items of a page, as kubectl asks for them.
pub const PAGE: u32 = 500;

/// The most items of one list: four times what an ordinary cluster has of pods.
pub const MOST: usize = 20_000;

/// A page of fewer items, where one was too long for its bound: pods with many sidecars are larger than others.
pub fn fewer(limit: u32) -> Option<u32> {
    (limit > PAGE / 100).then_some(limit / 5)
}

/// All items, without what nobody reads of their metadata.
pub async fn all<K>(api: &Api<K>, params: &ListParams) -> kube::Result<Vec<K>>
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
{
    let (mut items, mut params) = (Vec::new(), params.clone().limit(PAGE));
    loop {
        let page = match api.list(&params).await {
            Ok(page) => page,
            Err(error) => match params.limit.and_then(fewer).filter(|_| Failure::of(&error).is_excess()) {
                Some(limit) => {
                    params.limit = Some(limit);
                    continue;
                }
                None => return Err(error),
            },
        };
        let told = page.metadata.continue_.filter(|token| !token.is_empty());
        let ended = told.is_none() || told == params.continue_token || page.items.is_empty();
        items.extend(page.items.into_iter().map(|mut item| {
            item.meta_mut().managed_fields = None;
            item
        }));
        if items.len() > MOST {
            return Err(kube::Error::Service(Failure::Excess(format!("has more than {MOST} items")).into()));
        }
        if ended {
            return Ok(items);
        }
        params.continue_token = told;
    }
}
