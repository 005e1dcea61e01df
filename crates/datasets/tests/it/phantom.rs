//! Phantoms: the same everywhere, hard enough, and anatomically what they claim.

use fastersam_datasets::phantom::{Phantom, SIZE};
use fastersam_datasets::{Case, sha256_of_cases};
use ndarray::Axis;

const FAMILIES: [Phantom; 2] = [Phantom::Abdomen, Phantom::Heart];

fn cases(family: Phantom, indices: std::ops::Range<usize>) -> Vec<Case> {
    indices.map(|index| family.case(7, index)).collect()
}

/// If this changes, every result on phantoms changes: raise the version of the published ones.
#[test]
fn bytes_are_fixed() {
    let hash = |family: Phantom| sha256_of_cases(&cases(family, 0..2));
    assert_eq!(hash(Phantom::Abdomen), "ef8b0ad3dfc96dc2609848e250b97bdb0c6a6481dd54e2d5604d95ceeae9af34");
    assert_eq!(hash(Phantom::Heart), "9148e1c879903a7aa0e690f515f1e03805d7d32665e90e3c0fe8ba32d67cb0a4");
}

#[test]
fn threads_do_not_matter() {
    let with_threads = |n: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
        pool.install(|| FAMILIES.map(|family| sha256_of_cases(&cases(family, 3..4))))
    };
    assert_eq!(with_threads(1), with_threads(5));
}

#[test]
fn every_case_holds_every_structure_at_a_fair_size() {
    for family in FAMILIES {
        let n_classes = family.labels().n_classes();
        for case in cases(family, 0..40) {
            let (slices, rows, columns) = case.image.dim();
            assert!((12..=20).contains(&slices) && rows == SIZE && columns == SIZE, "{:?}", case.image.dim());
            assert!(case.image.iter().all(|v| (0.0..=1.0).contains(v)));
            for class in 1..n_classes {
                // The largest cross-section is that of a disc of 8 pixels radius at 128 x 128.
                let area =
                    |slice: ndarray::ArrayView2<u8>| slice.iter().filter(|&&c| usize::from(c) == class).count();
                let areas: Vec<usize> = case.label.axis_iter(Axis(0)).map(area).collect();
                let largest = areas.iter().max().copied().unwrap_or(0) as f64;
                let disc = 201.0 * (SIZE as f64 / 128.0).powi(2);
                assert!(largest >= disc, "{} class {class}: {largest} pixels at most, {disc} wanted", case.id);
                let present = areas.iter().filter(|&&n| n > 0).count();
                assert!(present >= 3, "{} class {class} is in {present} slices", case.id);
            }
        }
    }
}

#[test]
fn phases_share_a_patient_and_systole_is_smaller() {
    for patient in 0..10 {
        let [diastole, systole] = [0, 1].map(|phase| Phantom::Heart.case(7, 2 * patient + phase));
        let volume = |case: &Case, class: u8| case.label.iter().filter(|&&c| c == class).count() as f64;
        assert_eq!(diastole.image.dim(), systole.image.dim());
        assert_eq!(diastole.id[..10], systole.id[..10]);
        let ejected = 1.0 - volume(&systole, 3) / volume(&diastole, 3);
        assert!((0.2..0.6).contains(&ejected), "{}: ejection fraction {ejected}", diastole.id);
    }
}

#[test]
fn linear_classifier_of_pixels_fails() {
    for family in FAMILIES {
        let (train, test) = (cases(family, 0..6), cases(family, 20..26));
        for balanced in [false, true] {
            let model = Logistic::fit(&train, family.labels().n_classes(), balanced);
            let dice = mean_dice(&test, family.labels().n_classes(), |case| model.classify(case));
            assert!(dice < 0.5, "{family:?}, balanced {balanced}: mean Dice {dice}");
            // It has learnt something, or the bound means nothing.
            assert!(dice > 0.02, "{family:?}, balanced {balanced}: mean Dice {dice}");
        }
    }
}

/// Multinomial logistic regression on intensity, row and column of single pixels.
struct Logistic {
    weights: Vec<[f64; 4]>,
}

impl Logistic {
    fn fit(cases: &[Case], n_classes: usize, balanced: bool) -> Self {
        let mut samples = Vec::new();
        for case in cases {
            // One pixel in 31 is plenty for four numbers a class.
            for (place, (&value, &class)) in case.image.iter().zip(&case.label).enumerate().step_by(31) {
                samples.push((Self::features(case, place, value), usize::from(class)));
            }
        }
        let mut count = vec![0.0; n_classes];
        samples.iter().for_each(|(_, class)| count[*class] += 1.0);
        let total = samples.len() as f64;
        let weight_of =
            |class: usize| if balanced { 1.0 / (n_classes as f64 * count[class]) } else { 1.0 / total };
        let mut model = Self { weights: vec![[0.0; 4]; n_classes] };
        let mut momentum = vec![[0.0; 4]; n_classes];
        for _ in 0..300 {
            let mut gradient = vec![[0.0; 4]; n_classes];
            for (features, class) in &samples {
                let scores = model.scores(features);
                let top = scores.iter().copied().fold(f64::MIN, f64::max);
                let exp: Vec<f64> = scores.iter().map(|s| (s - top).exp()).collect();
                let sum: f64 = exp.iter().sum();
                for (c, g) in gradient.iter_mut().enumerate() {
                    let error = (exp[c] / sum - f64::from(u8::from(c == *class))) * weight_of(*class);
                    for (g, f) in g.iter_mut().zip(features) {
                        *g += error * f;
                    }
                }
            }
            for ((w, m), g) in model.weights.iter_mut().zip(&mut momentum).zip(&gradient) {
                for ((w, m), g) in w.iter_mut().zip(m).zip(g) {
                    *m = 0.9 * *m + g;
                    *w -= 0.5 * *m;
                }
            }
        }
        model
    }

    fn features(case: &Case, place: usize, value: f32) -> [f64; 4] {
        let (_, rows, columns) = case.image.dim();
        let (row, column) = (place / columns % rows, place % columns);
        let centred = |at: usize, n: usize| 4.0 * at as f64 / n as f64 - 2.0;
        [1.0, 4.0 * f64::from(value) - 2.0, centred(row, rows), centred(column, columns)]
    }

    fn scores(&self, features: &[f64; 4]) -> Vec<f64> {
        self.weights.iter().map(|w| w.iter().zip(features).map(|(w, f)| w * f).sum()).collect()
    }

    fn classify(&self, case: &Case) -> Vec<usize> {
        let best = |(place, &value): (usize, &f32)| {
            let scores = self.scores(&Self::features(case, place, value));
            (0..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap()
        };
        case.image.iter().enumerate().map(best).collect()
    }
}

/// Mean over classes of the mean over cases (protocol `transunet`; every class is in every case).
fn mean_dice(cases: &[Case], n_classes: usize, classify: impl Fn(&Case) -> Vec<usize>) -> f64 {
    let mut sum = 0.0;
    for case in cases {
        let predicted = classify(case);
        for class in 1..n_classes {
            let truth = case.label.iter().map(|&c| usize::from(c) == class);
            let (mut both, mut either) = (0.0, 0.0);
            for (truth, predicted) in truth.zip(predicted.iter().map(|&c| c == class)) {
                both += f64::from(u8::from(truth && predicted));
                either += f64::from(u8::from(truth)) + f64::from(u8::from(predicted));
            }
            sum += 2.0 * both / either;
        }
    }
    sum / (cases.len() * (n_classes - 1)) as f64
}
