/** The argument of every command about one key. */
export const keyArgument = ['<id>', 'the eight characters after kg_live_ or kg_test_'] as const;
