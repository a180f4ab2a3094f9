//! Which requests travel together, and when they leave.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use schemas::limits::{MESSAGE_BYTES_MAX, MESSAGE_ROWS_MAX};
use schemas::predict::{PredictReply, PredictRequest};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

use crate::lanes::LaneError;

/// Messages of one lane that are out at once while they come back soon: so many that gateway, broker and predictor all have
/// one to work on.
const OUT_QUICK: usize = 16;

/// A message leaves after others when it has as many requests as this share of those that are out: smaller ones would cost broker and
/// predictor more than it saves to send them early.
const OUT_SHARE: usize = 12;

/// Messages that may be out beside those while some of them take long, as when fits have to be loaded first.
const OUT_SLOW: usize = 6;

/// Turns of the other tasks before a batch looks what waits.
const TURNS: usize = 2;

/// A message that is out for longer is slow: many times the way there and back.
pub(crate) const SLOW_AFTER: Duration = Duration::from_millis(2);

/// A request that waits in a lane. It is dropped unsent when its caller has gone.
pub(crate) struct Item {
    pub(crate) request: Arc<PredictRequest>,
    pub(crate) until: Instant,
    pub(crate) reply: oneshot::Sender<Result<PredictReply, LaneError>>,
}

/// The messages of a lane that are out.
#[derive(Debug)]
pub(crate) struct Out {
    messages: AtomicUsize,
    requests: AtomicUsize,
    /// Messages that were out and are no longer.
    back: AtomicU64,
    left: Notify,
    returned: Notify,
    slow_after: Duration,
}

/// A message that is out, until it is dropped.
pub(crate) struct Leave {
    out: Arc<Out>,
    requests: usize,
}

impl Out {
    /// Nothing is out; what is so for longer than `slow_after` is slow.
    pub(crate) fn new(slow_after: Duration) -> Out {
        Out {
            messages: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
            back: AtomicU64::new(0),
            left: Notify::new(),
            returned: Notify::new(),
            slow_after,
        }
    }

    /// Waits until so long nothing has come back of what was out all the time; may take twice as long to see it. Only one may
    /// wait. The messages share one timer: one for each would be the runtime's next one each time, which wakes it up.
    pub(crate) async fn silent(&self, silence: Duration) {
        loop {
            while self.messages.load(Ordering::Relaxed) == 0 {
                self.left.notified().await;
            }
            let back = self.back.load(Ordering::Relaxed);
            tokio::time::sleep(silence).await;
            let is_out = self.messages.load(Ordering::Relaxed) > 0;
            if is_out && self.back.load(Ordering::Relaxed) == back {
                return;
            }
        }
    }

    /// Waits until nothing is out. Only one may wait, and no batch may be gathered.
    pub(crate) async fn none(&self) {
        while self.messages.load(Ordering::Relaxed) > 0 {
            self.returned.notified().await;
        }
    }

    /// One more, of so many requests.
    pub(crate) fn leave(self: &Arc<Out>, requests: usize) -> Leave {
        self.messages.fetch_add(1, Ordering::Relaxed);
        self.requests.fetch_add(requests, Ordering::Relaxed);
        self.left.notify_one();
        Leave { out: self.clone(), requests }
    }

    /// Whether one of so many requests may follow those that are out, which may be slow ones.
    fn admits(&self, requests: usize, are_slow: bool) -> bool {
        match self.messages.load(Ordering::Relaxed) {
            0 => true,
            out if are_slow => out < OUT_QUICK + OUT_SLOW,
            out if out >= OUT_QUICK => false,
            _ => requests.saturating_mul(OUT_SHARE) >= self.requests.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        self.out.messages.fetch_sub(1, Ordering::Relaxed);
        self.out.requests.fetch_sub(self.requests, Ordering::Relaxed);
        self.out.back.fetch_add(1, Ordering::Relaxed);
        self.out.returned.notify_one();
    }
}

/// Requests that leave together: up to [`MESSAGE_BYTES_MAX`], and none is added to [`MESSAGE_ROWS_MAX`] rows or more. The last
/// one is not cut, so there may be all but twice as many rows; answers that are too large for one message are asked for singly.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) items: Vec<Item>,
    rows: usize,
    bytes: usize,
}

impl Batch {
    /// Adds a request, unless nobody waits for it any more; gives it back where it does not fit.
    pub(crate) fn add(&mut self, item: Item) -> Option<Item> {
        if item.reply.is_closed() {
            return None;
        }
        let bytes = item.request.size_bytes();
        if self.bytes + bytes > MESSAGE_BYTES_MAX && !self.items.is_empty() {
            return Some(item);
        }
        self.bytes += bytes;
        self.rows += item.request.rows as usize;
        self.items.push(item);
        None
    }

    /// Adds what waits, and what comes until the batch may leave; what did not fit is `left`.
    pub(crate) async fn gather(
        &mut self,
        items: &mut mpsc::Receiver<Item>,
        out: &Out,
        left: &mut Option<Item>,
    ) {
        // Requests that have arrived but were not read yet come along: the fewer messages, the less each request costs. In the
        // second turn also those of clients that were answered in the first.
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
        }
        // One timer however often the batch looks again.
        let mut slow = pin!(tokio::time::sleep(out.slow_after));
        let mut are_slow = false;
        loop {
            while left.is_none() && self.rows < MESSAGE_ROWS_MAX {
                let Ok(item) = items.try_recv() else { break };
                *left = self.add(item);
            }
            let is_full = left.is_some() || self.rows >= MESSAGE_ROWS_MAX;
            if out.admits(if is_full { usize::MAX } else { self.items.len() }, are_slow) {
                break;
            }
            tokio::select! {
                () = out.returned.notified() => {}
                () = &mut slow, if !are_slow => are_slow = true,
                item = items.recv(), if !is_full => match item {
                    Some(item) => *left = self.add(item),
                    None => break,
                },
            }
        }
        self.items.retain(|item| !item.reply.is_closed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use schemas::column::{Column, TextColumn};
    use schemas::predict::NamedColumn;

    type Answer = oneshot::Receiver<Result<PredictReply, LaneError>>;

    fn item(rows: u32) -> (Item, Answer) {
        let request = PredictRequest {
            model: "m".into(),
            channel: "live".into(),
            state: None,
            explain: false,
            bundle: None,
            rows,
            columns: Vec::new(),
        };
        let (reply, answer) = oneshot::channel();
        (Item { request: Arc::new(request), until: Instant::now(), reply }, answer)
    }

    /// A lane in which so many requests wait, and its sender.
    fn lane(waiting: usize) -> (mpsc::Sender<Item>, mpsc::Receiver<Item>, Vec<Answer>) {
        let (sender, items) = mpsc::channel(100);
        let (first, answers): (Vec<Item>, Vec<Answer>) = (0..waiting).map(|_| item(1)).unzip();
        first.into_iter().for_each(|item| assert!(sender.try_send(item).is_ok()));
        (sender, items, answers)
    }

    /// Whether a batch leaves once it has seen all that waits.
    fn leaves(gathering: &mut (impl Future<Output = ()> + Unpin)) -> bool {
        (0..=TURNS).any(|_| gathering.now_or_never().is_some())
    }

    const NEVER: Duration = Duration::from_secs(3_600);

    #[tokio::test]
    async fn while_messages_are_out_the_next_one_waits_for_its_share_of_requests_or_their_return() {
        let out = Arc::new(Out::new(NEVER));
        let (sender, mut items, _answers) = lane(2 * OUT_SHARE);
        let mut batch = Batch::default();
        batch.gather(&mut items, &out, &mut None).await;
        assert_eq!(batch.items.len(), 2 * OUT_SHARE);
        let mut away = vec![out.leave(batch.items.len())];

        let mut batch = Batch::default();
        let (mut left, mut more) = (None, Vec::new());
        let mut gathering = Box::pin(batch.gather(&mut items, &out, &mut left));
        for wanted in [false, true] {
            let (item, answer) = item(1);
            more.push(answer);
            assert!(sender.try_send(item).is_ok());
            assert_eq!(leaves(&mut gathering), wanted);
        }
        drop(gathering);
        away.extend((1..OUT_QUICK).map(|_| out.leave(1)));

        // With as many out as may be, however many wait.
        let (_sender, mut items, _answers) = lane(99);
        let mut batch = Batch::default();
        let mut gathering = Box::pin(batch.gather(&mut items, &out, &mut left));
        assert!(!leaves(&mut gathering));
        away.pop();
        assert!(leaves(&mut gathering));
        drop(gathering);
        assert_eq!(batch.items.len(), 99);
    }

    #[tokio::test]
    async fn slow_messages_hold_up_only_so_many() {
        let out = Arc::new(Out::new(Duration::ZERO));
        let mut away = Vec::new();
        for _ in 0..OUT_QUICK + OUT_SLOW {
            let (_sender, mut items, _answers) = lane(1);
            let mut batch = Batch::default();
            batch.gather(&mut items, &out, &mut None).await;
            away.push(out.leave(batch.items.len()));
        }
        assert!(!out.admits(usize::MAX, true));
        away.pop();
        assert!(out.admits(1, true) && !out.admits(usize::MAX, false));
    }

    #[tokio::test]
    async fn silence_is_of_what_is_out() {
        let out = Arc::new(Out::new(NEVER));
        out.none().await;
        let mut silent = Box::pin(out.silent(Duration::ZERO));
        assert!((&mut silent).now_or_never().is_none());
        let away = [1, 2].map(|requests| out.leave(requests));
        silent.await;
        let mut none = Box::pin(out.none());
        for leave in away {
            assert!((&mut none).now_or_never().is_none());
            drop(leave);
        }
        none.await;
        // What came back does not count for what leaves next.
        assert!(Box::pin(out.silent(Duration::ZERO)).now_or_never().is_none());
    }

    /// A request of one row and so many bytes of text.
    fn of_bytes(bytes: usize) -> (Item, Answer) {
        let (one, answer) = item(1);
        let text =
            NamedColumn::new("t", Column::Text(TextColumn::from_rows([Some("x".repeat(bytes).as_str())])));
        let request = PredictRequest { columns: vec![text], ..(*one.request).clone() };
        (Item { request: Arc::new(request), ..one }, answer)
    }

    #[test]
    fn a_message_holds_no_more_bytes_than_it_may_unless_one_request_alone_has_them() {
        let mut batch = Batch::default();
        let mut add = |bytes: usize| {
            let (item, answer) = of_bytes(bytes);
            (batch.add(item).is_none(), answer)
        };
        let (third, more) = (MESSAGE_BYTES_MAX / 3, 2 * MESSAGE_BYTES_MAX);
        let added = [third, third, third, 100].map(&mut add);
        assert_eq!(added.each_ref().map(|(is_in, _)| *is_in), [true, true, false, true]);
        assert!(batch.items.len() == 3 && batch.bytes <= MESSAGE_BYTES_MAX, "{} bytes", batch.bytes);
        // Refused later, by its size; it stands in nobody's way.
        let mut batch = Batch::default();
        let (large, _answer) = of_bytes(more);
        assert!(batch.add(large).is_none());
        let (small, _answer) = of_bytes(1);
        assert!(batch.add(small).is_some());
    }

    #[tokio::test]
    async fn what_nobody_waits_for_stays_and_what_is_too_much_leaves_next() {
        let out = Out::new(NEVER);
        let (sender, mut items, mut answers) = lane(3);
        answers.remove(1);
        let (large, _answer) = item(MESSAGE_ROWS_MAX as u32);
        assert!(sender.try_send(large).is_ok());
        let (late, _answer) = item(1);
        assert!(sender.try_send(late).is_ok());
        let (mut batch, mut left) = (Batch::default(), None);
        batch.gather(&mut items, &out, &mut left).await;
        assert_eq!((batch.items.len(), batch.rows), (3, 2 + MESSAGE_ROWS_MAX));
        assert!(left.is_none() && items.len() == 1);
    }
}
