//! Which request is sent next.

use crate::generator::request::Request;

/// Chooses among requests by their weights, as evenly as they allow, and always in the same order.
pub(super) struct Mix {
    weights: Vec<i64>,
    credits: Vec<i64>,
    total: i64,
}

impl Mix {
    pub fn new(requests: &[Request]) -> Self {
        let weights: Vec<i64> = requests.iter().map(|request| i64::from(request.weight)).collect();
        Self { credits: vec![0; weights.len()], total: weights.iter().sum(), weights }
    }

    /// The index of the next request.
    pub fn next(&mut self) -> usize {
        if self.weights.len() == 1 {
            return 0;
        }
        let mut first = 0;
        for (index, weight) in self.weights.iter().enumerate() {
            self.credits[index] += weight;
            if self.credits[index] > self.credits[first] {
                first = index;
            }
        }
        self.credits[first] -= self.total;
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_kept_exactly_and_evenly() {
        let request = |weight| Request { weight, ..Request::get("http://a/".parse().unwrap()) };
        let mut mix = Mix::new(&[request(5), request(1), request(2)]);
        let order: Vec<usize> = (0..8).map(|_| mix.next()).collect();
        assert_eq!(order, [0, 2, 0, 0, 1, 0, 2, 0]);
        assert_eq!((0..8).map(|_| mix.next()).collect::<Vec<_>>(), order);
    }
}
