import { Box, render, Text, useStdout } from "ink";
import { useLayoutEffect } from "react";
import type { Output, Ticker } from "../output.ts";
import { FrameStream } from "./frame-stream.ts";
import type { LiveRow, LiveState } from "./live-state.ts";
import type { Narrator } from "./narrator.ts";
import type { Renderer } from "./renderer.ts";

const TONES = {
  plain: {},
  dim: { dimColor: true },
  bold: { bold: true },
  bad: { color: "red", bold: true },
  warn: { color: "yellow" },
} as const;

const WITHOUT_COLOUR = { plain: {}, dim: {}, bold: {}, bad: {}, warn: {} } as const;

/** Ten pictures a second are as many as anyone can follow; what happens between them is only counted. */
const PICTURE_MS = 100;
const SHOW_CURSOR = "\x1b[?25h";

function Picture({ rows, width, colour }: { rows: readonly LiveRow[]; width: number; colour: boolean }) {
  const tones = colour ? TONES : WITHOUT_COLOUR;
  return (
    <Box flexDirection="column" width={width}>
      {rows.map(({ key, pieces }) => (
        <Text key={key} wrap="truncate-end">
          {pieces.map(({ text, tone }, place) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: pieces have no identity but their place in the line
            <Text key={place} {...tones[tone]}>
              {text}
            </Text>
          ))}
        </Text>
      ))}
    </Box>
  );
}

/**
 * Hands out the function that prints above the picture. Ink's own `Static` wraps what it prints at the terminal's
 * width with hard line ends, which breaks a compiler's message for whoever copies it, and keeps all of it in memory.
 */
function Above({ take }: { take: (write: (text: string) => void) => void }) {
  const { write } = useStdout();
  useLayoutEffect(() => take(write), [take, write]);
  return null;
}

/**
 * The live view: lines that stay scroll by above, what runs stands below and is redrawn in place.
 *
 * Loading this module costs some 200 ms (Ink, React, Yoga), so it is imported once a build has lasted a while.
 *
 * @param state Fed with the events so far; from here on this renderer feeds it.
 */
export function createLiveRenderer(
  output: Output,
  narrator: Narrator,
  state: LiveState,
  tools: { readonly every: Ticker; readonly now: () => number; readonly colour: boolean },
): Renderer {
  const stream = new FrameStream(output);
  let above = "";
  let writeAbove: (text: string) => void = (text) => output.write(text);
  const take = (write: (text: string) => void) => {
    writeAbove = write;
  };
  let shownRows = "";
  const picture = () => {
    const rows = state.layout(tools.now(), output.columns(), output.rows());
    shownRows = JSON.stringify(rows);
    return (
      <>
        <Above take={take} />
        <Picture rows={rows} width={Math.max(1, output.columns() - 1)} colour={tools.colour} />
      </>
    );
  };
  const instance = render(picture(), {
    stdout: stream as unknown as NodeJS.WriteStream,
    stderr: stream as unknown as NodeJS.WriteStream,
    exitOnCtrlC: false,
    patchConsole: false,
    // Pictures come by our own ticker; a second brake would only show them late.
    maxFps: 0,
  });
  const redraw = () => {
    if (above !== "") {
      const text = above;
      above = "";
      writeAbove(text);
    }
    const before = shownRows;
    const next = picture();
    if (shownRows !== before) instance.rerender(next);
  };
  const stopTicking = tools.every(PICTURE_MS, redraw);
  const stopWatching = output.onResize(redraw);
  let finished = false;

  return {
    onEvent(event) {
      above += narrator.tell(event);
      state.apply(event, tools.now());
    },
    cancelling(text) {
      if (finished) return;
      above += text;
      redraw();
    },
    finish() {
      if (finished) return;
      finished = true;
      stopTicking();
      stopWatching();
      instance.clear();
      // From here on Ink only tidies up after itself; its last picture must not come back.
      stream.close();
      instance.unmount();
      output.write(above + SHOW_CURSOR);
    },
  };
}
