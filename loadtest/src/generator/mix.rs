//! Which request is sent next.

use crate::generator::request::Request;
use crate::schedule::Share;

/// How many additions the order of one cycle may take, which is also a bound of its length.
const ADDITIONS: u64 = 1 << 20;

/// Chooses among requests by their weights. The choice depends on the number of the request among those of all generators
/// and threads alone, so that together they keep the weights.
pub(super) struct Mix {
    order: Order,
    next: u64,
    step: u64,
}

enum Order {
    /// One cycle, as evenly as the weights allow.
    Cycle(Vec<u16>),
    /// A cycle that is too long for that: where the part of each request ends, and by how much one request is away from
    /// the one before it.
    Scattered { ends: Vec<u64>, stride: u64 },
}

impl Mix {
    pub fn new(requests: &[Request], share: Share) -> Self {
        let common = requests.iter().map(|request| u64::from(request.weight)).fold(0, gcd).max(1);
        let weights: Vec<u64> = requests.iter().map(|request| u64::from(request.weight) / common).collect();
        let total: u64 = weights.iter().sum();
        let order = if total * weights.len() as u64 <= ADDITIONS {
            Order::Cycle(cycle(&weights, total))
        } else {
            let sums = weights.iter().scan(0, |sum, weight| {
                *sum += weight;
                Some(*sum)
            });
            Order::Scattered { ends: sums.collect(), stride: stride(total) }
        };
        Self { order, next: share.index().into(), step: share.of().into() }
    }

    /// The index of the next request.
    pub fn next(&mut self) -> usize {
        let number = self.next;
        self.next += self.step;
        match &self.order {
            Order::Cycle(cycle) => cycle[index(number % cycle.len() as u64)].into(),
            Order::Scattered { ends, stride } => {
                let total = ends.last().copied().unwrap_or(1);
                // Below 2^30 each.
                let place = (number % total) * stride % total;
                ends.partition_point(|end| *end <= place)
            }
        }
    }
}

/// The order of as many requests as the weights have in all.
fn cycle(weights: &[u64], total: u64) -> Vec<u16> {
    let signed = |number: u64| i64::try_from(number).expect("a sum of weights is below 2^30");
    let mut credits = vec![0; weights.len()];
    let next = |_| {
        let mut first = 0;
        for (index, weight) in weights.iter().enumerate() {
            credits[index] += signed(*weight);
            if credits[index] > credits[first] {
                first = index;
            }
        }
        credits[first] -= signed(total);
        u16::try_from(first).expect("there are at most a thousand requests")
    };
    (0..total).map(next).collect()
}

/// A number that has no divisor in common with the total, near the golden section of it: its multiples spread evenly.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "below 2^30")]
fn stride(total: u64) -> u64 {
    let golden = (total as f64 * 0.618_033_988_749_895) as u64;
    (golden..total).find(|stride| gcd(*stride, total) == 1).unwrap_or(1)
}

fn gcd(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { gcd(other, one % other) }
}

fn index(place: u64) -> usize {
    usize::try_from(place).expect("a cycle is in memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(weights: &[u32]) -> Vec<Request> {
        let request = |weight: &u32| Request { weight: *weight, ..Request::get("http://a/".parse().unwrap()) };
        weights.iter().map(request).collect()
    }

    #[test]
    fn weights_are_kept_exactly_and_evenly() {
        let mut mix = Mix::new(&requests(&[5, 1, 2]), Share::default());
        let order: Vec<usize> = (0..8).map(|_| mix.next()).collect();
        assert_eq!(order, [0, 2, 0, 0, 1, 0, 2, 0]);
        assert_eq!((0..8).map(|_| mix.next()).collect::<Vec<_>>(), order);
    }

    #[test]
    fn threads_and_generators_keep_the_weights_together() {
        // The last two cycles are too long to be held.
        for (weights, of) in [
            (&[8, 1, 1][..], 4),
            (&[8, 1, 1][..], 30),
            (&[3][..], 7),
            (&[1_000_000, 999_999][..], 6),
            (&[1_000_000, 3, 7][..], 5),
        ] {
            let requests = requests(weights);
            let total: u32 = weights.iter().sum();
            let mut counts = vec![0u32; weights.len()];
            for index in 0..of {
                let mut mix = Mix::new(&requests, Share::new(index, of).unwrap());
                for _ in (index..total).step_by(of as usize) {
                    counts[mix.next()] += 1;
                }
            }
            assert_eq!(counts, weights, "{of}");
        }
    }

    #[test]
    fn a_long_cycle_is_even_too() {
        let mut mix = Mix::new(&requests(&[999_999, 1_000_001]), Share::default());
        let first = (0..1_000).filter(|_| mix.next() == 0).count();
        assert!((490..=510).contains(&first), "{first} of 1,000");
    }
}
