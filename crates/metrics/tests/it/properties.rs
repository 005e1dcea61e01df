//! What must hold for every mask.

use fastersam_metrics::{
    CaseScores, Mask, MetricsError, compare_paired, compare_runs, distance_to, score_case, summarise,
    surface_distances,
};
use proptest::prelude::*;

/// A volume of random size and content.
fn masks() -> impl Strategy<Value = (Vec<usize>, Vec<u8>, Vec<u8>)> {
    (1_usize..5, 1_usize..7, 1_usize..7).prop_flat_map(|(a, b, c)| {
        let voxels = || proptest::collection::vec(0_u8..2, a * b * c);
        (Just(vec![a, b, c]), voxels(), voxels())
    })
}

proptest! {
    #[test]
    fn the_distance_transform_equals_brute_force((shape, features, _) in masks(), spacing in [0.3_f64..4.0, 0.3..4.0, 0.3..4.0]) {
        let mask = Mask::of_nonzero(&features, &shape).unwrap();
        let ours = distance_to(&mask, spacing);
        let place = |i: usize| [i / (shape[1] * shape[2]), i / shape[2] % shape[1], i % shape[2]];
        for (i, ours) in ours.iter().enumerate() {
            let brute = (0..features.len())
                .filter(|&j| features[j] != 0)
                .map(|j| (0..3).map(|a| ((place(i)[a] as f64 - place(j)[a] as f64) * spacing[a]).powi(2)).sum::<f64>().sqrt())
                .fold(f64::INFINITY, f64::min);
            prop_assert!(*ours == brute || (ours - brute).abs() < 1e-9, "{ours} instead of {brute}");
        }
    }

    #[test]
    fn surface_distances_equal_the_distance_transform_of_the_borders(
        (shape, a, b) in masks(),
        spacing in [0.3_f64..4.0, 0.3..4.0, 0.3..4.0],
    ) {
        // Border: at the volume's edge, or beside a voxel that is not in the mask.
        let border = |voxels: &[u8]| -> Vec<u8> {
            let at = |i: usize, j: usize, k: usize| voxels[(i * shape[1] + j) * shape[2] + k];
            let mut border = Vec::new();
            for i in 0..shape[0] { for j in 0..shape[1] { for k in 0..shape[2] {
                let place = [i, j, k];
                let inner = (0..3).all(|axis| {
                    let beside = |up: bool| {
                        let mut place = place;
                        place[axis] = if up { place[axis] + 1 } else { place[axis].wrapping_sub(1) };
                        place[axis] < shape[axis] && at(place[0], place[1], place[2]) == 1
                    };
                    beside(false) && beside(true)
                });
                border.push(u8::from(at(i, j, k) == 1 && !inner));
            }}}
            border
        };
        let mask = |voxels: &[u8]| Mask::of_nonzero(voxels, &shape).unwrap();
        let Some(found) = surface_distances(&mask(&a), &mask(&b), Some(&spacing)).unwrap() else { return Ok(()) };
        let (of_a, of_b) = (border(&a), border(&b));
        for (ours, from, to) in [(&found.to_truth, &of_a, &of_b), (&found.to_prediction, &of_b, &of_a)] {
            let field = distance_to(&mask(to), spacing);
            let expected: Vec<f64> = field.iter().zip(from).filter(|(_, on)| **on == 1).map(|(d, _)| *d).collect();
            prop_assert_eq!(ours.len(), expected.len());
            for (ours, expected) in ours.iter().zip(&expected) {
                prop_assert!((ours - expected).abs() < 1e-9, "{} instead of {}", ours, expected);
            }
        }
    }

    #[test]
    fn surface_distances_are_symmetric((shape, a, b) in masks()) {
        let (a, b) = (Mask::of_nonzero(&a, &shape).unwrap(), Mask::of_nonzero(&b, &shape).unwrap());
        let there = surface_distances(&a, &b, None).unwrap();
        let back = surface_distances(&b, &a, None).unwrap();
        prop_assert_eq!(there.as_ref().map(|d| d.hd95()), back.as_ref().map(|d| d.hd95()));
        prop_assert_eq!(there.is_none(), a.count() == 0 || b.count() == 0);
        if let Some(same) = surface_distances(&a, &a, None).unwrap() {
            prop_assert_eq!((same.hd(), same.surface_dice(0.0)), (0.0, 1.0));
        }
    }

    #[test]
    fn the_order_of_the_axes_does_not_matter((shape, a, b) in masks(), spacing in [0.5_f64..4.0, 0.5..4.0, 0.5..4.0]) {
        let turned = |voxels: &[u8]| -> Vec<u8> {
            let mut out = Vec::new();
            for k in 0..shape[2] { for j in 0..shape[1] { for i in 0..shape[0] {
                out.push(voxels[(i * shape[1] + j) * shape[2] + k]);
            }}}
            out
        };
        let back: Vec<usize> = shape.iter().rev().copied().collect();
        let space: Vec<f64> = spacing.iter().rev().copied().collect();
        let one = score_case("c", &a, &b, &shape, Some(&spacing), 2).unwrap().classes[0];
        let two = score_case("c", &turned(&a), &turned(&b), &back, Some(&space), 2).unwrap().classes[0];
        prop_assert_eq!(one.transunet.dice, two.transunet.dice);
        prop_assert!((one.transunet.hd95_mm.unwrap() - two.transunet.hd95_mm.unwrap()).abs() < 1e-9);
        prop_assert!((0.0..=1.0).contains(&one.transunet.dice));
    }
}

#[test]
fn both_protocols_treat_empty_classes_by_their_rules() {
    let (empty, full) = ([0_u8; 8], [1_u8; 8]);
    let score =
        |p: &[u8], t: &[u8]| score_case("c", p, t, &[2, 2, 2], Some(&[3.0, 1.0, 1.0]), 2).unwrap().classes[0];
    let invented = score(&full, &empty);
    assert_eq!((invented.transunet.dice, invented.transunet.hd95_vox), (1.0, 0.0));
    let strict = invented.strict.unwrap();
    assert_eq!((strict.dice, strict.hd95_vox), (0.0, 12.0_f64.sqrt()));
    assert_eq!(strict.hd95_mm, Some(44.0_f64.sqrt()));
    let missed = score(&empty, &full);
    assert_eq!((missed.transunet.dice, missed.strict.unwrap().dice), (0.0, 0.0));
    let neither = score(&empty, &empty);
    assert_eq!((neither.transunet.dice, neither.strict, neither.jaccard), (0.0, None, None));
}

#[test]
fn a_class_that_no_case_has_is_left_out_of_the_strict_mean() {
    let case = |p: [u8; 4]| -> CaseScores { score_case("c", &p, &[1, 1, 0, 0], &[1, 2, 2], None, 3).unwrap() };
    let summary = summarise(&[case([1, 1, 0, 0]), case([0, 1, 0, 0])]);
    assert_eq!(summary.strict.left_out, [0, 2]);
    assert_eq!(summary.strict.per_class_dice[1], None);
    assert!((summary.strict.dice.unwrap() - (1.0 + 2.0 / 3.0) / 2.0).abs() < 1e-12);
    // The papers' rule scores the absent class 0.
    assert!((summary.transunet.dice.unwrap() - (1.0 + 2.0 / 3.0) / 4.0).abs() < 1e-12);
}

#[test]
fn as_many_classes_are_scored_as_bytes_tell_apart() {
    let labels = [0, 254, 255, 255];
    for n_classes in [255, 256] {
        let scores = score_case("c", &labels, &labels, &[2, 2], None, n_classes).unwrap();
        assert_eq!(scores.classes.len(), n_classes - 1);
        let last = scores.classes[n_classes - 2];
        assert_eq!((usize::from(last.class), last.transunet.dice), (n_classes - 1, 1.0));
    }
    for n_classes in [257, usize::MAX] {
        let refused = score_case("c", &labels, &labels, &[2, 2], None, n_classes);
        assert_eq!(refused, Err(MetricsError::Classes(n_classes)));
    }
    for n_classes in [0, 1] {
        assert!(score_case("c", &labels, &labels, &[2, 2], None, n_classes).unwrap().classes.is_empty());
    }
}

#[test]
fn bad_input_is_refused() {
    assert!(matches!(score_case("c", &[0; 3], &[0; 3], &[1, 2, 2], None, 2), Err(MetricsError::Length { .. })));
    assert!(matches!(score_case("c", &[], &[], &[0, 2], None, 2), Err(MetricsError::Shape(_))));
    assert!(matches!(Mask::of_nonzero(&[0], &[usize::MAX, 2]), Err(MetricsError::Length { .. })));
    for spacing in [[0.0, 1.0], [f64::NAN, 1.0], [-1.0, 1.0], [f64::INFINITY, 1.0]] {
        let result = score_case("c", &[1; 4], &[1; 4], &[2, 2], Some(&spacing), 2);
        assert!(matches!(result, Err(MetricsError::Spacing { .. })));
    }
    assert!(compare_paired(&[1.0], &[], 10, 0).is_err());
}

#[test]
fn a_paired_comparison_sees_a_steady_gain() {
    let a: Vec<f64> = (0..20).map(|i| f64::from(i) / 20.0).collect();
    let b: Vec<f64> = a.iter().map(|v| v + 0.01).collect();
    let gain = compare_paired(&a, &b, 2000, 1).unwrap();
    assert!((gain.mean_difference - 0.01).abs() < 1e-12 && gain.p_value < 0.01);
    let none = compare_paired(&a, &a, 2000, 1).unwrap();
    assert!(none.p_value > 0.99);
}

#[test]
fn intervals_are_of_the_mean_that_is_reported() {
    // Class 2 is in the first two cases only, and the strict mean leaves the others out.
    let case = |name: usize, p: [u8; 6], t: [u8; 6]| {
        score_case(&format!("c{name}"), &p, &t, &[1, 2, 3], Some(&[2.0, 1.0, 1.0]), 3).unwrap()
    };
    let cases = [
        case(0, [1, 1, 0, 2, 2, 0], [1, 1, 0, 2, 2, 0]),
        case(1, [1, 1, 0, 2, 2, 0], [1, 0, 0, 2, 2, 2]),
        case(2, [1, 1, 1, 0, 0, 0], [1, 0, 0, 0, 0, 0]),
        case(3, [1, 1, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0]),
    ];
    let summary = summarise(&cases);
    assert_eq!(summary.strict.left_out, [0, 2]);
    let (low, high) = summary.strict.dice_interval.unwrap();
    let mean = summary.strict.dice.unwrap();
    assert!(low <= mean && mean <= high && low < high, "{low} {mean} {high}");
    // By hand: Dice of class 1 is 1, 2/3, 1/2, 2/3, of class 2 it is 1, 4/5.
    let by_hand = ((1.0 + 2.0 / 3.0 + 0.5 + 2.0 / 3.0) / 4.0 + 0.9) / 2.0;
    assert!((mean - by_hand).abs() < 1e-12);
    let (low, high) = summary.strict.per_class_dice_interval[1].unwrap();
    assert!((low, high) == (0.8, 1.0), "{low} {high}");
    assert_eq!((&summary.jaccard.left_out, &summary.surface_mm.assd.left_out), (&vec![0, 2], &vec![0, 2]));
    // Jaccard of class 1: 1, 1/2, 1/3, 1/2; of class 2: 1, 2/3.
    let jaccard = (7.0 / 12.0 + 5.0 / 6.0) / 2.0;
    assert!((summary.jaccard.mean.unwrap() - jaccard).abs() < 1e-12);
    assert_eq!(summary.surface_vox.surface_dice.per_class[1], Some(1.0));

    // One case of unknown spacing: no mean in millimetres of some cases only.
    let mut cases = cases.to_vec();
    cases[3] = score_case("c3", &[1, 1, 0, 0], &[0, 1, 0, 0], &[1, 2, 2], None, 3).unwrap();
    let summary = summarise(&cases);
    assert_eq!((summary.transunet.hd95_mm, &summary.transunet.per_class_hd95_mm), (None, &vec![None, None]));
    assert!(summary.transunet.hd95_vox.is_some());
    assert_eq!(summary.surface_mm.hd.left_out, [1, 2]);
}

#[test]
fn runs_are_paired_by_the_names_of_their_cases() {
    let truth = |i: usize| -> Vec<u8> { (0..60).map(|v| u8::from(v % 10 > 2 && v / 10 != i % 6)).collect() };
    let run = |shift: usize| -> Vec<CaseScores> {
        let score = |i: usize| {
            let (truth, mut prediction) = (truth(i), truth(i));
            prediction.rotate_right(shift);
            score_case(&format!("case{i}"), &prediction, &truth, &[1, 6, 10], None, 3).unwrap()
        };
        (0..12).map(score).collect()
    };
    let (worse, mut better) = (run(2), run(1));
    better.reverse();
    let found = compare_runs(&worse, &better, 2000, 1).unwrap();
    let dice = found.strict.dice.mean.unwrap();
    let expected = summarise(&better).strict.dice.unwrap() - summarise(&worse).strict.dice.unwrap();
    assert!((dice.mean_difference - expected).abs() < 1e-12 && expected > 0.0);
    assert!(dice.p_value < 0.01 && dice.n_cases == 12);
    assert!(found.strict.hd95_vox.mean.unwrap().mean_difference <= 0.0);
    // Class 2 is nowhere: left out of the strict comparison, scored 0 by the papers' rule.
    assert_eq!((&found.strict.dice.left_out, found.strict.dice.per_class[1]), (&vec![0, 12], None));
    assert_eq!(found.transunet.dice.per_class[1].unwrap().mean_difference, 0.0);
    let same = compare_runs(&worse, &worse, 500, 1).unwrap();
    assert_eq!(same.strict.dice.mean.unwrap().p_value, 1.0);

    let message = |a: &[CaseScores], b: &[CaseScores]| compare_runs(a, b, 10, 1).unwrap_err().to_string();
    assert!(message(&worse, &better[1..]).contains("case11"));
    assert!(message(&worse[1..], &better).contains("case0"));
    assert!(message(&[], &[]).contains("no cases"));
    let twice = [&worse[..1], &worse[..1]].concat();
    assert!(message(&worse[..1], &twice).contains("twice") && message(&twice, &worse[..1]).contains("case0"));
}
