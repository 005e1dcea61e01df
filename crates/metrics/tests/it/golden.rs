//! Against medpy.

use fastersam_golden::{fixture, json};
use fastersam_metrics::{Mask, score_case, surface_distances};
use serde_json::Value;

/// The tolerance that the fixtures' README gives.
const ATOL: f64 = 1e-9;

#[test]
fn golden_metrics_equal_medpy() {
    let (Some(fixture), Some(expected)) = (fixture("metrics"), json("metrics")) else { return };
    let mut compared = 0;
    let cases = expected["expected"].as_object().unwrap();
    for (name, case) in cases {
        let prediction = fixture.get(&format!("input.{name}.prediction"));
        let reference = fixture.get(&format!("input.{name}.reference"));
        let shape = &prediction.shape;
        let p = Mask::of_nonzero(prediction.u8(), shape).unwrap();
        let r = Mask::of_nonzero(reference.u8(), shape).unwrap();
        let mut check = |what: &str, ours: f64, value: &Value| {
            let Some(value) = value.as_f64() else { return };
            let difference = (ours - value).abs();
            println!("{name:<28} {what:<24} {ours:.6} difference {difference:.1e}");
            assert!(difference <= ATOL, "{name} {what}: {ours} instead of {value}");
            compared += 1;
        };
        for (key, spacing) in [("without_spacing", None), ("with_spacing", case["spacing"].as_array())] {
            let spacing: Option<Vec<f64>> =
                spacing.map(|values| values.iter().map(|v| v.as_f64().unwrap()).collect());
            let block = &case[key];
            match surface_distances(&p, &r, spacing.as_deref()).unwrap() {
                Some(distances) => {
                    check(&format!("{key} hd"), distances.hd(), &block["hd"]);
                    check(&format!("{key} hd95"), distances.hd95(), &block["hd95"]);
                    check(&format!("{key} asd"), distances.asd(), &block["asd"]);
                    check(&format!("{key} assd"), distances.assd(), &block["assd"]);
                }
                None => assert!(block["hd95"].is_null(), "{name}: medpy has a distance"),
            }
        }
        let flags = |values: &[u8]| values.iter().map(|&v| u8::from(v != 0)).collect::<Vec<u8>>();
        let scores = score_case(name, &flags(prediction.u8()), &flags(reference.u8()), shape, None, 2).unwrap();
        let score = scores.classes[0];
        if p.count() + r.count() > 0 {
            check("jc", score.jaccard.unwrap(), &case["overlap"]["jc"]);
            check("dc", score.strict.unwrap().dice, &case["overlap"]["dc"]);
        }
        let rule = &case["transunet"];
        check("transunet dice", score.transunet.dice, rule.get("dice").unwrap_or(&rule[0]));
        check("transunet hd95", score.transunet.hd95_vox, rule.get("hd95").unwrap_or(&rule[1]));
    }
    assert!(compared > 0);
}
