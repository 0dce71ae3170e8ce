//! Latencies in fixed buckets: recording is one addition, whatever their number.

use std::time::Duration;

/// Every power of two of nanoseconds is cut into this many buckets, so a quantile is at most 3 % too high.
const CUTS: u64 = 32;
const BUCKETS: usize = (64 * CUTS) as usize;

/// How often each latency was seen.
#[derive(Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    /// Nothing recorded yet.
    pub fn new() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0 }
    }

    /// Counts a latency that so many had.
    pub fn record(&mut self, latency: Duration, times: u64) {
        self.counts[bucket(latency.as_nanos() as u64)] += times;
        self.total += times;
    }

    /// The latency that `part` of those recorded did not exceed; `None` before the first.
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        let rank = ((self.total as f64 * part).ceil() as u64).max(1);
        let mut seen = 0;
        let bucket = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        Some(Duration::from_nanos(upper_end(bucket)))
    }
}

/// Below `CUTS` a bucket is a nanosecond; above, the bits after the leading one choose among `CUTS`.
fn bucket(nanos: u64) -> usize {
    let shift = nanos.max(CUTS).ilog2() - CUTS.ilog2();
    (u64::from(shift) * CUTS + (nanos >> shift)) as usize
}

/// The largest latency that falls into a bucket.
fn upper_end(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let shift = (bucket / CUTS).saturating_sub(1);
    ((bucket - shift * CUTS + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_ends_where_the_next_begins() {
        for bucket_of in 0..50 * CUTS as usize {
            let end = upper_end(bucket_of);
            assert_eq!((bucket(end), bucket(end + 1)), (bucket_of, bucket_of + 1));
        }
    }

    #[test]
    fn quantiles_are_within_three_percent() {
        let mut histogram = Histogram::new();
        (1..=10_000).for_each(|micros| histogram.record(Duration::from_micros(micros), 1));
        let p99 = histogram.quantile(0.99).unwrap().as_secs_f64();
        assert!((0.0099..0.0102).contains(&p99), "{p99}");
    }

    #[test]
    fn nothing_recorded_has_no_quantile() {
        assert_eq!(Histogram::new().quantile(0.5), None);
    }
}
