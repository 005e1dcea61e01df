//! Where the time of real work goes: the busy time of the spans that the libraries mark their stages with.

use std::collections::BTreeMap;
use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use tracing::span::Id;
use tracing::{Subscriber, dispatcher};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};

/// Busy time by the spans' names, since it was taken last.
static BUSY: Mutex<BTreeMap<&'static str, Duration>> = Mutex::new(BTreeMap::new());

/// Adds up how long spans are entered, on whatever thread.
struct BusyTime;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for BusyTime {
    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            span.extensions_mut().replace(Instant::now());
        }
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let entered = span.extensions_mut().remove::<Instant>();
        let mut busy = BUSY.lock().unwrap_or_else(PoisonError::into_inner);
        *busy.entry(span.name()).or_default() += entered.map_or(Duration::ZERO, |entered| entered.elapsed());
    }
}

/// Runs `work`; gives its result and the seconds of each span that it entered.
///
/// Spans go to whatever thread does the work, so that the listener is one for the whole process: nothing else may
/// run beside `work`.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, BTreeMap<&'static str, f64>) {
    static LISTENS: Once = Once::new();
    LISTENS.call_once(|| {
        // Where somebody else listens already, there are no times of spans.
        let _ = dispatcher::set_global_default(Registry::default().with(BusyTime).into());
    });
    let take = || std::mem::take(&mut *BUSY.lock().unwrap_or_else(PoisonError::into_inner));
    take();
    let result = work();
    (result, take().into_iter().map(|(name, busy)| (name, busy.as_secs_f64())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_all_threads_add_up() {
        let pause = || tracing::info_span!("part").in_scope(|| std::thread::sleep(Duration::from_millis(20)));
        let ((), seconds) = timed(|| {
            pause();
            std::thread::scope(|scope| drop(scope.spawn(pause)));
        });
        assert!(seconds["part"] >= 0.04, "{seconds:?}");
        assert!(timed(|| ()).1.is_empty());
    }
}
