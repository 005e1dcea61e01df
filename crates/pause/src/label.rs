//! What tables, plots and the terminal call a setting.

use crate::settings::{Context, Criterion, PausePolicy, PauseSettings};

impl PauseSettings {
    /// [`label`](Self::label), and whether tokens pause from stage 0 on: for where no pause points stand beside it.
    #[must_use]
    pub fn full_label(&self, pause_points: &[usize]) -> String {
        let from = if self.used_points(pause_points).first() == Some(&0) { " from stage 0" } else { "" };
        format!("{}{from}", self.label(pause_points))
    }

    /// A few words: `never`, `threshold 0.02`, `threshold 0.1 / 0.05`, `keep ratio 0.5, margin`.
    ///
    /// `pause_points` are the model's; only the values of those at which something can pause are named.
    #[must_use]
    pub fn label(&self, pause_points: &[usize]) -> String {
        let used: Vec<usize> = (0..pause_points.len()).filter(|&index| self.can_pause_at(index)).collect();
        let policy = match self.policy {
            PausePolicy::Threshold(_) => "threshold",
            PausePolicy::KeepRatio(_) => "keep ratio",
            PausePolicy::Never => return "never".to_owned(),
        };
        // A ratio of 1 between others is a part of the policy; a threshold of 0 is an idle point.
        let named: Vec<usize> = match self.policy {
            PausePolicy::KeepRatio(_) if !used.is_empty() => (0..pause_points.len()).collect(),
            _ => used.clone(),
        };
        let values: Vec<f64> = named.iter().filter_map(|&index| self.value_at(index)).collect();
        let Some(&first) = values.first() else { return "never".to_owned() };
        let values = if values.iter().all(|&value| value.to_bits() == first.to_bits()) {
            first.to_string()
        } else {
            values.iter().map(f64::to_string).collect::<Vec<_>>().join(" / ")
        };
        let mut label = format!("{policy} {values}");
        for option in self.options() {
            label.push_str(", ");
            label.push_str(&option);
        }
        label
    }

    /// What is not as usual, in words.
    fn options(&self) -> Vec<String> {
        let criterion = match self.criterion {
            Criterion::Entropy => None,
            Criterion::MaxProbability => Some("1 - max probability".to_owned()),
            Criterion::Margin => Some("margin".to_owned()),
            Criterion::Random { .. } => Some("random".to_owned()),
            Criterion::Oracle => Some("oracle".to_owned()),
        };
        let context = (self.context == Context::FrozenKv).then(|| "frozen keys and values".to_owned());
        let min_active = (self.min_active > 0).then(|| format!("at least {} active", self.min_active));
        let per_class = (self.keep_per_class > 0).then(|| format!("{} kept per class", self.keep_per_class));
        [criterion, context, min_active, per_class].into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(settings: &PauseSettings, points: &[usize], expected: &str) {
        assert_eq!(settings.label(points), expected);
    }

    #[test]
    fn labels_name_what_can_pause() {
        check(&PauseSettings::never(), &[3, 6, 9], "never");
        check(&PauseSettings::threshold([0.0]), &[3, 6, 9], "never");
        check(&PauseSettings::threshold([0.02]), &[3, 6, 9], "threshold 0.02");
        check(&PauseSettings::threshold([0.02]), &[0, 3, 6, 9], "threshold 0.02");
        let from_the_start = PauseSettings::threshold([0.02]).full_label(&[0, 3, 6, 9]);
        assert_eq!(from_the_start, "threshold 0.02 from stage 0");
        let later = PauseSettings::threshold([0.0, 0.02, 0.02, 0.02]).full_label(&[0, 3, 6, 9]);
        assert_eq!(later, "threshold 0.02");
        check(&PauseSettings::threshold([0.0, 0.02, 0.02, 0.02]), &[0, 3, 6, 9], "threshold 0.02");
        check(&PauseSettings::threshold([0.1, 0.05, 0.05]), &[0, 2, 4], "threshold 0.1 / 0.05 / 0.05");
        check(&PauseSettings::keep_ratio([0.5, 0.5, 1.0]), &[3, 6, 9], "keep ratio 0.5 / 0.5 / 1");
        let settings = PauseSettings {
            criterion: Criterion::Margin,
            context: Context::FrozenKv,
            min_active: 8,
            keep_per_class: 2,
            ..PauseSettings::threshold([0.1])
        };
        let expected = "threshold 0.1, margin, frozen keys and values, at least 8 active, 2 kept per class";
        check(&settings, &[3], expected);
    }
}
