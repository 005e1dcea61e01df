//! Nothing that a caller passes makes the encoder panic.

use burn::tensor::{Device, Tensor};
use fastersam_adapter::Tuning;
use fastersam_pausing_encoder::{Criterion, EncoderConfig, EncoderError, PauseSettings};

use crate::support::{batch, build, forms, largest_difference, values};

#[test]
fn inputs_that_do_not_fit_are_refused() {
    let device = Device::flex();
    let (_, config) = forms().swap_remove(0);
    let encoder = build(&config, &device);
    let (images, features) = batch(&config, &[1], &device);
    let never = PauseSettings::never();

    let small = Tensor::<4>::zeros([1, 3, 96, 112], &device);
    let error = encoder.forward(small, Some(&features), &never).unwrap_err();
    assert_eq!(error.to_string(), "images: expected [b, 3, 112, 112] with b of 1 or more, found [1, 3, 96, 112]");
    let error = encoder.forward(images.clone(), None, &never).unwrap_err();
    assert_eq!(error.to_string(), "the CNN branch's stride-16 map: expected [1, 32, h, w], found none");

    let oracle = |values| PauseSettings {
        criterion: Criterion::Oracle,
        oracle: values,
        ..PauseSettings::threshold([0.5; 3])
    };
    for settings in [
        PauseSettings::threshold([0.5, 0.5]),
        PauseSettings::threshold([0.5, f64::NAN, 0.5]),
        PauseSettings::keep_ratio([0.5, 1.5, 0.5]),
        PauseSettings::keep_ratio([0.5, -0.1, 0.5]),
        oracle(None),
        oracle(Some(vec![0.0; 3])),
    ] {
        let error = encoder.forward(images.clone(), Some(&features), &settings).unwrap_err();
        assert!(matches!(error, EncoderError::Pause(_)), "{settings:?}: {error}");
    }
}

#[test]
fn configurations_that_contradict_themselves_are_refused() {
    type Change = fn(&mut EncoderConfig);
    let good = EncoderConfig::vit_b(224);
    good.validate().unwrap();
    let bad: [(&str, Change); 12] = [
        ("MLP", |c| c.mlp_ratio = f64::NAN),
        ("MLP", |c| c.mlp_ratio = 1e-3),
        ("patches of 16", |c| c.img_size = 225),
        ("heads", |c| c.num_heads = 7),
        ("do not increase", |c| c.pause_points = vec![3, 3]),
        ("beyond", |c| c.pause_points = vec![13]),
        ("before block 12", |c| c.injection_blocks = vec![12]),
        ("do not increase", |c| c.injection_blocks = vec![3, 0]),
        ("two classes", |c| c.n_classes = 1),
        ("eps", |c| c.layer_norm_eps = f64::NAN),
        ("class token", |c| c.class_token = true),
        ("depth is 0", |c| {
            c.depth = 0;
            c.pause_points.clear();
            c.injection_blocks.clear();
        }),
    ];
    for (what, change) in bad {
        let mut config = good.clone();
        change(&mut config);
        let error = config.validate().unwrap_err().to_string();
        assert!(error.contains(what), "{what}: {error}");
    }
}

#[test]
fn a_scheme_that_mixes_tokens_refuses_to_pause_but_runs() {
    let device = Device::flex();
    let (_, mut config) = forms().swap_remove(1);
    config.tuning = Tuning::SamMed2d { reduction: 4 };
    config.pause_points = vec![2];
    let encoder = build(&config, &device);
    let (images, _) = batch(&config, &[1, 2], &device);
    let error = encoder.forward(images.clone(), None, &PauseSettings::keep_ratio([0.5])).unwrap_err();
    assert_eq!(error, EncoderError::NotPointWise { scheme: "sam_med2d" });

    // Keeping all of them pauses nothing, and `never` is the plain encoder.
    encoder.forward(images.clone(), None, &PauseSettings::keep_ratio([1.0])).unwrap();
    let never = encoder.forward(images.clone(), None, &PauseSettings::never()).unwrap();
    let dense = encoder.forward_dense(images, None).unwrap();
    let off = largest_difference(&values(&never.embedding), &values(&dense.embedding));
    assert!(off < 1e-4, "{off}");
}
