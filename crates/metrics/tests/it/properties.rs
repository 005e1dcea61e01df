//! What must hold for every mask.

use fastersam_metrics::{
    CaseScores, Mask, MetricsError, compare_paired, distance_to, score_case, summarise, surface_distances,
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
    let score = |p: &[u8], t: &[u8]| {
        score_case("c", p, t, &[2, 2, 2], Some(&[3.0, 1.0, 1.0]), 2).unwrap().classes[0]
    };
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
