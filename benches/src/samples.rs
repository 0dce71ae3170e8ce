//! All samples of a run, and their medians.

use crate::measure::Sample;
use crate::memory::MemorySample;

/// The samples of one server under one workload, in the order of the rounds.
#[derive(Debug)]
pub struct Row<T> {
    /// Its name.
    pub workload: &'static str,
    /// Its name.
    pub server: &'static str,
    samples: Vec<T>,
}

/// Every row of one kind.
#[derive(Debug)]
pub struct Rows<T>(Vec<Row<T>>);

/// What a run has measured.
#[derive(Debug, Default)]
pub struct Samples {
    /// Echoes, fan-out, and opening.
    pub load: Rows<Sample>,
    /// Connections that are only held.
    pub memory: Rows<MemorySample>,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Rows<T> {
    /// One sample more.
    pub fn add(&mut self, workload: &'static str, server: &'static str, sample: T) {
        match self.0.iter_mut().find(|row| row.workload == workload && row.server == server) {
            Some(row) => row.samples.push(sample),
            None => self.0.push(Row { workload, server, samples: vec![sample] }),
        }
    }

    /// The row of a server under a workload, if it was measured.
    pub fn get(&self, workload: &str, server: &str) -> Option<&Row<T>> {
        self.0.iter().find(|row| row.workload == workload && row.server == server)
    }

    /// The rows of a workload.
    pub fn of<'a>(&'a self, workload: &'a str) -> impl Iterator<Item = &'a Row<T>> {
        self.0.iter().filter(move |row| row.workload == workload)
    }

    /// The median over the rounds of a value as a multiple of another row's in the same round.
    ///
    /// Round by round, for what else happens on the machine changes from round to round and hits both.
    pub fn ratio(&self, ours: (&str, &str), theirs: (&str, &str), value: fn(&T) -> f64) -> Option<f64> {
        let (ours, theirs) = (self.get(ours.0, ours.1)?, self.get(theirs.0, theirs.1)?);
        let pairs = ours.samples.iter().zip(&theirs.samples);
        Some(median(pairs.map(|(ours, theirs)| value(ours) / value(theirs)).collect()))
    }
}

impl<T> Row<T> {
    /// The median over the rounds.
    pub fn median(&self, value: impl Fn(&T) -> f64) -> f64 {
        median(self.samples.iter().map(value).collect())
    }

    /// From the smallest to the largest, as a part of the median.
    pub fn spread(&self, value: impl Fn(&T) -> f64) -> f64 {
        let values = self.samples.iter().map(&value);
        let (least, most) =
            values.fold((f64::MAX, f64::MIN), |(least, most), value| (least.min(value), most.max(value)));
        (most - least) / self.median(value)
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(median(vec![4.0, 1.0, 3.0]), 3.0);
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), 2.5);
    }
}
