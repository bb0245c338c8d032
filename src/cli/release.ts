// Which tsrunc this is. The build puts in what package.json and git say.

declare const TSRUNC_RELEASE: string;
declare const TSRUNC_COMMIT: string;

export const release: string = TSRUNC_RELEASE;
export const commit: string = TSRUNC_COMMIT;
