interface Drawing {
    readonly content: Uint8Array;
    /** As in `/Filter`, with the slash. */
    readonly filter: string;
}
/** Lines of ASCII text as the drawing of a page (PDF 32000-1, 9.4), compressed. */
export declare const drawLines: (lines: ReadonlyArray<string>) => Drawing;
/** A PDF of these pages (PDF 32000-1, 7.5: header, objects, cross-reference table, trailer). */
export declare const writePdf: (pages: ReadonlyArray<Drawing>) => Uint8Array;
export {};
