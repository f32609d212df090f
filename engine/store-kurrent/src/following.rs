//! Hears of new events: one subscription for all who wait in this process.

use crate::connection::{Failure, Patience};
use crate::reading::LogReading;
use kurrentdb::{Client, StreamPosition, SubscribeToAllOptions, SubscriptionEvent};
use std::convert::Infallible as Never;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use store::remote::Head;

/// A hundred years.
const FOR_EVER: Duration = Duration::from_secs(3_153_600_000);

/// Follows the log's end.
pub struct Following {
    pub reading: LogReading,
    pub head: Arc<Head>,
    /// Whether everything that others append is heard of.
    pub live: Arc<AtomicBool>,
}

impl Following {
    /// Follows until its task is dropped.
    pub async fn run(self) {
        let mut patience = Patience::new(FOR_EVER);
        loop {
            let failure = match self.reading.connection.client().await {
                Ok((number, client)) => {
                    let Err(failure) = self.follow(client).await;
                    self.reading.connection.heed(number, &failure);
                    failure
                }
                Err(failure) => failure,
            };
            if self.live.swap(false, Ordering::SeqCst) {
                patience.renew();
                let store = self.reading.connection.address().shown();
                tracing::info!(store, why = failure.why, "hears of no new events for now");
            }
            patience.wait().await;
        }
    }

    async fn follow(&self, client: Client) -> Result<Never, Failure> {
        let options = SubscribeToAllOptions::default()
            .position(StreamPosition::End)
            .filter(self.reading.filter())
            .requires_leader(true);
        let options = match self.reading.connection.address().login() {
            Some(login) => options.authenticated(login.clone()),
            None => options,
        };
        let mut events = client.subscribe_to_all(&options).await;
        loop {
            match events.next_subscription_event().await? {
                SubscriptionEvent::Confirmed(_) => {
                    // What came before it was there.
                    self.head.is_at_least(self.reading.head().await?);
                    self.live.store(true, Ordering::SeqCst);
                }
                SubscriptionEvent::EventAppeared(event) => {
                    self.head.is_at_least(event.get_original_event().position.commit);
                }
                _ => {}
            }
        }
    }
}
