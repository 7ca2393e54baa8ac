import { expect, it } from 'vitest';
import { connectionBounds, descriptorsMax } from '../../src/edges/descriptors.ts';

it('as configured where the system allows it, or does not say', () => {
  expect(connectionBounds(10_000, undefined)).toEqual({ data: 10_000, admin: 10_000, lowered: false });
  expect(connectionBounds(10_000, 15_000)).toEqual({ data: 10_000, admin: 10_000, lowered: false });
  expect(connectionBounds(10_000, 1_048_576)).toEqual({ data: 10_000, admin: 10_000, lowered: false });
});

it.each([
  [1_024, { data: 597, admin: 85, lowered: true }],
  [64, { data: 18, admin: 2, lowered: true }],
  [8, { data: 1, admin: 1, lowered: true }],
])('of %i descriptors something is left for upstreams, the store and the operator', (descriptors, bounds) => {
  expect(connectionBounds(10_000, descriptors)).toEqual(bounds);
});

it('the limit of this very process is known', () => {
  expect(descriptorsMax()).toBeGreaterThan(0);
});
