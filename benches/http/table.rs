//! The figures as a Markdown table.

use crate::servers::Kind;

/// One figure's samples, a column a server.
pub struct Figure {
    name: &'static str,
    unit: &'static str,
    target: &'static str,
    samples: [Vec<f64>; Kind::ALL.len()],
}

impl Figure {
    pub fn new(name: &'static str, unit: &'static str) -> Self {
        Self { name, unit, target: "", samples: Default::default() }
    }

    pub fn target(self, target: &'static str) -> Self {
        Self { target, ..self }
    }

    pub fn add(&mut self, kind: Kind, sample: f64) {
        self.samples[kind as usize].push(sample);
    }

    /// shopfront's median, in its unit, and how many times bare axum's that is: the median of the rounds' own ratios,
    /// since what disturbs a round disturbs its neighbours alike.
    fn print(&self) {
        print!("| {} |", self.name);
        for samples in &self.samples {
            match median(samples.iter().copied()) {
                Some(value) => print!(" {value:.1} {} |", self.unit),
                None => print!(" |"),
            }
        }
        let [shopfront, axum, _] = &self.samples;
        let ratios = || shopfront.iter().zip(axum).map(|(shopfront, axum)| shopfront / axum);
        match median(ratios()) {
            Some(ratio) => print!(" {ratio:.2} |"),
            None => print!(" |"),
        }
        println!(" {} |", self.target);
    }
}

/// Prints the figures.
pub fn print(figures: &[Figure]) {
    let [shopfront, axum, hyper] = Kind::ALL.map(Kind::name);
    println!("| | {shopfront} | {axum} | {hyper} | {shopfront} ÷ {axum} | target |");
    println!("|---|--:|--:|--:|--:|---|");
    figures.iter().for_each(Figure::print);
}

fn median(samples: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = samples.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}
