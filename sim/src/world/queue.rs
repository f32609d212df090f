//! What is on its way, in the order in which it happens. What happens at the same moment happens
//! in the order in which it was put in, so that a run follows from its plan alone.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Duration;

/// Things due at moments of the world.
#[derive(Debug)]
pub struct Queue<T> {
    heap: BinaryHeap<Due<T>>,
    put_in: u64,
}

#[derive(Debug)]
struct Due<T> {
    at: Duration,
    order: u64,
    what: T,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), put_in: 0 }
    }
}

impl<T> Queue<T> {
    /// Puts something in.
    pub fn put(&mut self, at: Duration, what: T) {
        self.put_in += 1;
        self.heap.push(Due { at, order: self.put_in, what });
    }

    /// When the next thing happens.
    pub fn next_at(&self) -> Option<Duration> {
        self.heap.peek().map(|due| due.at)
    }

    /// The next thing that happens by now.
    pub fn take(&mut self, now: Duration) -> Option<T> {
        self.heap.peek().filter(|due| due.at <= now)?;
        self.heap.pop().map(|due| due.what)
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

impl<T> PartialEq for Due<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Due<T> {}

impl<T> PartialOrd for Due<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Due<T> {
    /// The heap gives its greatest: that is the earliest.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_at_one_moment_happens_in_the_order_it_was_put_in() {
        let ms = Duration::from_millis;
        let mut queue = Queue::default();
        [(3, 'c'), (1, 'a'), (3, 'd'), (1, 'b')]
            .into_iter()
            .for_each(|(at, what)| queue.put(ms(at), what));
        assert_eq!(queue.next_at(), Some(ms(1)));
        let order: String = std::iter::from_fn(|| queue.take(ms(5))).collect();
        assert_eq!(order, "abcd");
        queue.put(ms(9), 'e');
        assert_eq!((queue.take(ms(8)), queue.is_empty()), (None, false));
    }
}
