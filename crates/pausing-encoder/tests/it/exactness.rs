//! `never` is the plain encoder, and an image's result is its own.

use burn::tensor::Device;
use fastersam_pausing_encoder::{Context, EncoderOutput, PauseSettings};

use crate::support::{
    assert_same_bits, batch, build, forms_and_schemes, largest_difference, of_image, run, values,
};

fn assert_same(a: &EncoderOutput, b: &EncoderOutput, what: &str) {
    assert_same_bits(&values(&a.tokens), &values(&b.tokens), &format!("{what}: tokens"));
    assert_same_bits(&values(&a.embedding), &values(&b.embedding), &format!("{what}: embedding"));
    assert_eq!(a.class_tokens.as_ref().map(values), b.class_tokens.as_ref().map(values), "{what}: class tokens");
}

/// Settings under which images keep different numbers of tokens.
fn pausing_settings() -> Vec<(&'static str, PauseSettings)> {
    let threshold = PauseSettings::threshold([0.8, 0.7, 0.8]);
    vec![
        ("never", PauseSettings { score_heads: true, ..PauseSettings::never() }),
        ("keep_ratio", PauseSettings::keep_ratio([0.7, 0.5, 1.0])),
        ("frozen_kv", PauseSettings { context: Context::FrozenKv, ..threshold.clone() }),
        ("keep_per_class", PauseSettings { keep_per_class: 2, ..threshold.clone() }),
        ("threshold", threshold),
    ]
}

#[test]
fn never_equals_the_dense_path() {
    let device = Device::flex();
    for (form, config) in forms_and_schemes() {
        let encoder = build(&config, &device);
        let (images, features) = batch(&config, &[1, 2], &device);
        let ragged = encoder.forward(images.clone(), Some(&features), &PauseSettings::never()).unwrap();
        let dense = encoder.forward_dense(images, Some(&features)).unwrap();
        let scale = values(&dense.embedding).iter().fold(0.0_f32, |m, v| m.max(v.abs()));
        let off = largest_difference(&values(&ragged.embedding), &values(&dense.embedding));
        println!("{form}: largest difference {off:e}, largest value {scale}");
        // The dense path's attention is composed of burn's own operations, which sum in another
        // order than the ragged kernels: 1e-5 of the largest value is what f32 allows. The ragged path
        // against itself is compared to the bit, in the next test.
        assert!(off <= 1e-5 * scale, "{form}: {off}");
    }
}

#[test]
fn keeping_every_token_is_never() {
    let device = Device::flex();
    for (form, config) in forms_and_schemes() {
        let encoder = build(&config, &device);
        let never = run(&encoder, &[1, 2], &PauseSettings::never());
        assert!(never.stages.is_empty(), "{form}: never scores no head unless asked");
        for settings in [
            PauseSettings::keep_ratio([1.0; 3]),
            PauseSettings::threshold([0.0; 3]),
            PauseSettings { score_heads: true, ..PauseSettings::never() },
            PauseSettings { context: Context::FrozenKv, ..PauseSettings::threshold([0.0; 3]) },
        ] {
            assert_same(&run(&encoder, &[1, 2], &settings), &never, form);
        }

        let mut plain = config.clone();
        plain.pause_points.clear();
        // Heads come last in the walk over the parameters, so both draw the same weights.
        let plain = build(&plain, &device);
        assert_same(&run(&plain, &[1, 2], &PauseSettings::never()), &never, form);
    }
}

#[test]
fn permuting_a_batch_permutes_its_outputs() {
    let device = Device::flex();
    for (form, config) in forms_and_schemes() {
        let encoder = build(&config, &device);
        for (name, settings) in pausing_settings() {
            let what = format!("{form}, {name}");
            let (a, b) = (run(&encoder, &[1, 2, 3], &settings), run(&encoder, &[3, 1, 2], &settings));
            for (i, j) in [(0, 1), (1, 2), (2, 0)] {
                let (a, b) = (values(&a.embedding), values(&b.embedding));
                assert_same_bits(of_image(&a, i, 3), of_image(&b, j, 3), &what);
            }
            assert_eq!(
                [&a.n_active[0], &a.n_active[1], &a.n_active[2]],
                [&b.n_active[1], &b.n_active[2], &b.n_active[0]],
                "{what}"
            );
        }
    }
}

#[test]
fn an_image_does_not_depend_on_its_batch_mates() {
    let device = Device::flex();
    for (form, config) in forms_and_schemes() {
        let encoder = build(&config, &device);
        for (name, settings) in pausing_settings() {
            let together = run(&encoder, &[1, 2, 3], &settings);
            for (i, key) in [1, 2, 3].into_iter().enumerate() {
                let what = format!("{form}, {name}, image {i}");
                let alone = run(&encoder, &[key], &settings);
                assert_eq!(alone.n_active[0], together.n_active[i], "{what}");
                for (alone, together) in [
                    (values(&alone.tokens), values(&together.tokens)),
                    (values(&alone.embedding), values(&together.embedding)),
                ] {
                    assert_same_bits(&alone, of_image(&together, i, 3), &what);
                }
            }
            let counts: Vec<_> = together.n_active.iter().map(|counts| counts[2]).collect();
            if name == "threshold" {
                assert!(counts.iter().any(|count| *count != counts[0]), "{form}: ragged: {counts:?}");
            }
        }
    }
}
