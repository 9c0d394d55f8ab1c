//! What JSON tells of times: how often, how long together, the shortest, the longest, the mean and its deviation.
use metrics::Key;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Clone, Copy, Default)]
struct Sums {
    count: u32,
    sum: f64,
    squares: f64,
    min: f64,
    max: f64,
}

/// One name with its labels, since the process began.
#[derive(Default)]
pub(super) struct Sample(Mutex<Sums>);

/// All of them.
#[derive(Default)]
pub(super) struct Samples(Mutex<HashMap<Key, Arc<Sample>>>);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sums {
    fn take(&mut self, value: f64) {
        (self.min, self.max) = match self.count {
            0 => (value, value),
            _ => (self.min.min(value), self.max.max(value)),
        };
        self.count = self.count.saturating_add(1);
        self.sum += value;
        self.squares += value * value;
    }
    fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum / f64::from(self.count) }
    }
    /// Of a sample of a population, as go-metrics computes it.
    fn deviation(&self) -> f64 {
        let count = f64::from(self.count);
        if self.count < 2 {
            return 0.0;
        }
        // Rounding may leave a little less than nothing.
        ((count * self.squares - self.sum * self.sum) / (count * (count - 1.0))).max(0.0).sqrt()
    }
}

impl Sample {
    /// Adds one value.
    pub(super) fn take(&self, value: f64) {
        lock(&self.0).take(value);
    }
}

impl Samples {
    /// The one of that name and those labels.
    pub(super) fn of(&self, key: &Key) -> Arc<Sample> {
        Arc::clone(lock(&self.0).entry(key.clone()).or_default())
    }
    /// Those that hold something, by name; `name` gives the name with dots.
    pub(super) fn json(&self, name: impl Fn(&str) -> String) -> Vec<Value> {
        let mut all: Vec<(String, Value)> = Vec::new();
        for (key, sample) in lock(&self.0).iter() {
            let sums = *lock(&sample.0);
            if sums.count == 0 {
                continue;
            }
            let labels: Map<String, Value> =
                key.labels().map(|label| (label.key().to_owned(), label.value().into())).collect();
            let name = name(key.name());
            let shown = json!({
                "Name": name, "Count": sums.count, "Sum": sums.sum, "Min": sums.min, "Max": sums.max,
                "Mean": sums.mean(), "Stddev": sums.deviation(), "Labels": labels,
            });
            all.push((name, shown));
        }
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        all.into_iter().map(|(_, shown)| shown).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_tells_its_bounds_its_mean_and_its_deviation() {
        let samples = Samples::default();
        let one = samples.of(&Key::from_name("a_b"));
        assert!(samples.json(str::to_owned).is_empty());
        for value in [2.0, 4.0, 9.0] {
            one.take(value);
        }
        let shown = samples.json(|name| name.replace('_', "."));
        assert_eq!(shown.len(), 1);
        assert_eq!((&shown[0]["Name"], &shown[0]["Count"]), (&json!("a.b"), &json!(3)));
        assert_eq!((&shown[0]["Min"], &shown[0]["Max"], &shown[0]["Mean"]), (&json!(2.0), &json!(9.0), &json!(5.0)));
        assert!((shown[0]["Stddev"].as_f64().unwrap() - 13_f64.sqrt()).abs() < 1e-9);
    }
}
