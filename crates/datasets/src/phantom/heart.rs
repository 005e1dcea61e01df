//! A heart in short axis: two ventricles and the muscle between, in a chest with other bright blobs.

use super::Scene;
use super::shape::Body;
use crate::rng::KeyedRng;

pub(super) fn scene(rng: &mut KeyedRng) -> Scene {
    let mut bodies = vec![
        Body::new([0.0, 0.0, 0.0], [9.0, 0.82, 0.92], 0.50, 0).vary(rng, 0.02, 0.05), // chest wall
        Body::new([0.2, -0.05, -0.45], [9.0, 0.55, 0.33], 0.10, 0).vary(rng, 0.05, 0.15), // lung
        Body::new([0.2, -0.05, 0.50], [9.0, 0.52, 0.30], 0.10, 0).vary(rng, 0.05, 0.15), // lung
        Body::new([-0.3, 0.58, -0.30], [1.2, 0.26, 0.42], 0.42, 0).vary(rng, 0.05, 0.15), // liver
    ];
    // Vessels, stomach, fat: blood-bright or muscle-dark, without a label.
    for i in 0..8 {
        let centre = [rng.range(-0.8, 0.8), rng.range(-0.7, 0.7), rng.range(-0.75, 0.75)];
        let radii = [rng.range(0.3, 0.8), rng.range(0.07, 0.17), rng.range(0.07, 0.17)];
        let gray = if i % 2 == 0 { rng.range(0.65, 0.85) } else { rng.range(0.30, 0.45) };
        bodies.push(Body::new(centre, radii, gray, 0).vary(rng, 0.02, 0.2));
    }

    let centre = [rng.range(-0.1, 0.1), rng.range(-0.20, 0.15), rng.range(-0.12, 0.20)];
    let size = rng.range(0.85, 1.2);
    let muscle = rng.range(0.14, 0.18) * size;
    let cavity = rng.range(0.17, 0.24) * size;
    // Where the right ventricle sits, seen from the left one.
    let side = std::f64::consts::PI + rng.range(-0.7, 0.7);
    let blood = rng.range(0.72, 0.82);
    let outer = cavity + muscle;
    let outline = [(rng.range(0.0, 0.05), rng.range(0.0, 6.0)), (rng.range(0.0, 0.03), rng.range(0.0, 6.0))];
    let drift = [rng.range(-0.06, 0.06), rng.range(-0.06, 0.06)];
    let body = |offset: [f64; 2], depth: f64, radii: [f64; 2], gray: f64, class: u8| {
        let mut body = Body::new(
            [centre[0], centre[1] + offset[0], centre[2] + offset[1]],
            [depth, radii[0], radii[1]],
            gray,
            class,
        );
        body.outline = outline;
        body.drift = drift;
        body
    };
    let offset = [side.sin() * outer * 0.95, side.cos() * outer * 0.95];
    // The fat around the heart, then the right ventricle; the muscle covers its inner side.
    bodies.push(body([offset[0] * 0.4, offset[1] * 0.4], 1.15, [outer * 1.65, outer * 1.65], 0.58, 0));
    let mut right = body(offset, 0.85, [outer * 0.95, outer * 0.80], blood, 1);
    right.turn = -side;
    bodies.push(right);
    bodies.push(body([0.0; 2], 1.0, [outer, outer], rng.range(0.36, 0.44), 2));
    bodies.push(body([0.0; 2], 0.92, [cavity, cavity], blood, 3));
    Scene { bodies, noise: 0.05 }
}
