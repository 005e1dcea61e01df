//! From raw intensities to gray values in [0, 1].

use std::convert::Infallible;
use std::str::FromStr;

use ndarray::Array3;
use serde::{Deserialize, Serialize};

use crate::quantiles::{IntensityQuantiles, TrainingIntensities};
use crate::survey::Survey;

/// How raw intensities become gray values in [0, 1].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Intensity {
    /// Clip to a window and scale it to [0, 1] (CT).
    Window {
        /// Becomes 0.
        low: f32,
        /// Becomes 1.
        high: f32,
    },
    /// Clip values above a percentile of the volume, then scale minimum and maximum to 0 and 1 (MR).
    ClipTop {
        /// In per cent, 99 for ACDC.
        percentile: f64,
    },
    /// Clip to two percentiles of the volume, then scale these to 0 and 1.
    Percentiles {
        /// In per cent; becomes 0.
        low: f64,
        /// In per cent; becomes 1.
        high: f64,
    },
    /// The values are in [0, 1] already.
    Unit,
}

impl FromStr for Intensity {
    type Err = String;

    /// `unit`, `window=-125..275`, `percentiles=0.5..99.5` or `clip-top=99`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("{text:?} is none of unit, window=LOW..HIGH, percentiles=LOW..HIGH and clip-top=PERCENTILE")
        };
        let (kind, values) = text.split_once('=').unwrap_or((text, ""));
        let number = |text: &str| text.trim().parse::<f64>().map_err(|_| wrong());
        let two = || {
            let (low, high) = values.split_once("..").ok_or_else(wrong)?;
            Ok::<_, String>((number(low)?, number(high)?))
        };
        let intensity = match (kind, values) {
            ("unit", "") => Self::Unit,
            ("window", _) => two().map(|(low, high)| Self::Window { low: low as f32, high: high as f32 })?,
            ("percentiles", _) => two().map(|(low, high)| Self::Percentiles { low, high })?,
            ("clip-top", _) => Self::ClipTop { percentile: number(values)? },
            _ => return Err(wrong()),
        };
        intensity.validate()?;
        Ok(intensity)
    }
}

/// An [`Intensity`] with the numbers of one volume: how each of its voxels becomes a gray value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scaling {
    /// Becomes 0, and what becomes 1; `None` where values stay as they are.
    range: Option<[f32; 2]>,
}

impl Scaling {
    /// The raw intensities that become 0 and 1.
    #[must_use]
    pub fn range(&self) -> [f32; 2] {
        self.range.unwrap_or([0.0, 1.0])
    }

    /// The gray value of a raw intensity. What is no finite number becomes 0, as the lowest intensity does.
    #[must_use]
    pub fn apply(&self, value: f32) -> f32 {
        match self.range {
            _ if !value.is_finite() => 0.0,
            None => value,
            Some([low, high]) if high > low => (value.clamp(low, high) - low) / (high - low),
            Some(_) => 0.0,
        }
    }
}

impl Intensity {
    /// Scales a whole volume in place, and says what was in it. Percentiles and extremes are those of the finite voxels.
    pub fn scale(&self, voxels: &mut Array3<f32>) -> Survey {
        let mut survey = Survey::default();
        voxels.outer_iter().for_each(|slice| survey.add_slice(slice.iter().copied()));
        let scaling = self.scaling(&survey, |see| {
            voxels.iter().for_each(|&value| see(value));
            Ok::<_, Infallible>(())
        });
        let Ok(scaling) = scaling;
        voxels.mapv_inplace(|value| scaling.apply(value));
        survey
    }

    /// What speaks against a scan being of the kind that a model was trained on, in words.
    ///
    /// Under a window, intensities are compared as the window leaves them: a scan fits where at least two of its three
    /// quantiles lie where those of the training scans do, or no more than a quarter of the window away. A body without the
    /// air around it fits, and metal; values in 0 to 1 or 255 in place of Hounsfield units don't, nor does a CT whose
    /// intercept was lost. Where gray values are taken as they are, they must not lie far outside 0 to 1. Where they come of
    /// each volume's own percentiles, a factor or an offset makes no difference, and nothing is told.
    #[must_use]
    pub fn mismatch(&self, training: &TrainingIntensities, scan: &IntensityQuantiles) -> Option<String> {
        /// Share of the window.
        const NEAR: f32 = 0.25;
        let fits = match *self {
            Self::ClipTop { .. } | Self::Percentiles { .. } => true,
            Self::Unit => scan.p1 >= -0.5 && scan.p99 <= 1.5,
            Self::Window { low, high } => {
                let near = NEAR * (high - low);
                let TrainingIntensities { lowest, highest } = training;
                let is_near = |found: f32, from: f32, to: f32| {
                    let [found, from, to] = [found, from, to].map(|value| value.clamp(low, high));
                    found >= from - near && found <= to + near
                };
                let near = [
                    is_near(scan.p1, lowest.p1, highest.p1),
                    is_near(scan.p50, lowest.p50, highest.p50),
                    is_near(scan.p99, lowest.p99, highest.p99),
                ];
                // Where training scans go below the window, as Hounsfield units of air and fat do, so must this one.
                let lacks_lowest = low < 0.0 && highest.p1 <= low && scan.p1 >= 0.0;
                !lacks_lowest && near.into_iter().filter(|&near| near).count() >= 2
            }
        };
        (!fits).then(|| {
            format!(
                "its intensities go from {} to {} (1st to 99th percentile, median {}); the model was trained on intensities \
                 from {} to {} (medians {} to {}): the label map may be of no use",
                scan.p1,
                scan.p99,
                scan.p50,
                training.lowest.p1,
                training.highest.p99,
                training.lowest.p50,
                training.highest.p50
            )
        })
    }

    /// How the voxels of a volume are scaled. `pass` gives all of them once more, which percentiles take.
    ///
    /// # Errors
    /// Those of `pass`.
    pub fn scaling<E>(
        &self,
        survey: &Survey,
        pass: impl FnOnce(&mut dyn FnMut(f32)) -> Result<(), E>,
    ) -> Result<Scaling, E> {
        let range = match *self {
            Self::Unit => None,
            Self::Window { low, high } => Some([low, high]),
            Self::Percentiles { low, high } => {
                Some(survey.exact_quantiles([low / 100.0, high / 100.0], pass)?.map(|value| value as f32))
            }
            Self::ClipTop { percentile } => {
                let [top] = survey.exact_quantiles([percentile / 100.0], pass)?;
                Some([survey.range().map_or(f32::NAN, |[lowest, _]| lowest), top as f32])
            }
        };
        Ok(Scaling { range })
    }

    /// What makes the parameters useless: a window without width, percentiles outside 0 to 100.
    ///
    /// # Errors
    /// The reason, in words.
    pub fn validate(&self) -> Result<(), String> {
        let is_percentile = |p: f64| (0.0..=100.0).contains(&p);
        match *self {
            Self::Window { low, high } if !(low.is_finite() && high.is_finite() && low < high) => {
                Err(format!("the window from {low} to {high} has no width"))
            }
            Self::Percentiles { low, high } if !(is_percentile(low) && is_percentile(high) && low < high) => {
                Err(format!("percentiles {low} and {high}: two ascending numbers from 0 to 100 are needed"))
            }
            Self::ClipTop { percentile } if !is_percentile(percentile) => {
                Err(format!("the percentile {percentile} is not in 0 to 100"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scaling_is_read_from_a_few_words() {
        for (text, expected) in [
            ("unit", Intensity::Unit),
            ("window=-125..275", Intensity::Window { low: -125.0, high: 275.0 }),
            ("percentiles=0.5..99.5", Intensity::Percentiles { low: 0.5, high: 99.5 }),
            ("clip-top=99", Intensity::ClipTop { percentile: 99.0 }),
        ] {
            assert_eq!(text.parse(), Ok(expected));
        }
        for text in ["", "units", "unit=1", "window", "window=5", "window=5..1", "window=a..b", "clip-top=101"] {
            assert!(text.parse::<Intensity>().is_err(), "{text}");
        }
    }

    #[test]
    fn values_of_another_kind_are_noticed_and_others_are_not() {
        let quantiles = |p1, p50, p99| IntensityQuantiles { p1, p50, p99 };
        let window = Intensity::Window { low: -125.0, high: 275.0 };
        let raw =
            [quantiles(-1000.0, -90.0, 260.0), quantiles(-1010.0, -400.0, 310.0), quantiles(-995.0, 10.0, 240.0)];
        let clipped = [quantiles(-125.0, -80.0, 240.0), quantiles(-125.0, -125.0, 275.0)];
        let phantoms = [quantiles(-224.0, -101.0, 240.0), quantiles(-216.0, -29.0, 236.0)];
        for training in [&raw[..], &clipped, &phantoms] {
            let training = TrainingIntensities::of(training.iter().copied()).unwrap();
            for (scan, fits) in [
                (quantiles(-1000.0, -500.0, 250.0), true),
                // Cropped to the body; with metal; of a scanner that marks what it has not seen; clipped already.
                (quantiles(-120.0, 40.0, 300.0), true),
                (quantiles(-1024.0, -100.0, 1800.0), true),
                (quantiles(-2048.0, -700.0, 250.0), true),
                (quantiles(-125.0, -90.0, 270.0), true),
                // Scaled to 0..1 and 0..255; without the intercept.
                (quantiles(0.0, 0.3, 0.95), false),
                (quantiles(0.0, 120.0, 245.0), false),
                (quantiles(0.0, 60.0, 255.0), false),
                (quantiles(0.0, 900.0, 1290.0), false),
                (quantiles(24.0, 970.0, 1300.0), false),
            ] {
                let found = window.mismatch(&training, &scan);
                assert_eq!(found.is_none(), fits, "{training:?} {scan:?}: {found:?}");
            }
            let words = window.mismatch(&training, &quantiles(0.0, 0.25, 1.0)).unwrap();
            assert!(words.contains("from 0 to 1 (") && words.contains("was trained on"), "{words}");
        }
        let unit = TrainingIntensities::of([quantiles(0.0, 0.2, 0.9), quantiles(0.0, 0.4, 1.0)]).unwrap();
        for (scan, fits) in [
            (quantiles(-1000.0, -90.0, 260.0), false),
            (quantiles(0.0, 70.0, 245.0), false),
            (quantiles(0.0, 0.1, 0.8), true),
        ] {
            assert_eq!(Intensity::Unit.mismatch(&unit, &scan).is_none(), fits, "{scan:?}");
            assert_eq!(Intensity::ClipTop { percentile: 99.0 }.mismatch(&unit, &scan), None);
        }
    }

    #[test]
    fn what_is_no_number_becomes_the_lowest_and_moves_nothing_else() {
        let raw = Array3::from_shape_fn((4, 5, 5), |(i, j, k)| (i * 25 + j * 5 + k) as f32 - 30.0);
        for intensity in [
            Intensity::Window { low: -20.0, high: 40.0 },
            Intensity::Percentiles { low: 5.0, high: 90.0 },
            Intensity::ClipTop { percentile: 90.0 },
            Intensity::Unit,
        ] {
            let mut clean = raw.clone();
            // The lowest and the highest stay: no percentile of the others moves.
            clean[(0, 0, 0)] = -30.0;
            let mut damaged = clean.clone();
            for (at, value) in [((1, 1, 1), f32::NAN), ((2, 2, 2), f32::INFINITY), ((3, 0, 0), f32::NEG_INFINITY)]
            {
                damaged[at] = value;
            }
            let survey = intensity.scale(&mut damaged);
            assert_eq!(survey.n_invalid(), 3);
            for at in [(1, 1, 1), (2, 2, 2), (3, 0, 0)] {
                assert_eq!(damaged[at], 0.0, "{intensity:?}");
            }
            assert!(damaged.iter().all(|v| v.is_finite()), "{intensity:?}");
            if !matches!(intensity, Intensity::Percentiles { .. } | Intensity::ClipTop { .. }) {
                intensity.scale(&mut clean);
                let differ = clean.iter().zip(&damaged).filter(|(a, b)| a != b).count();
                assert!(differ <= 3, "{intensity:?}");
            }
        }
    }
}
