import react from "@vitejs/plugin-react"
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"
import { defineConfig, type Plugin } from "vite"

/** What the page may weigh over the wire, all parts together. */
const LIMIT_KB = 250

/** The build fails when the page has become too heavy. */
const limit: Plugin = {
  name: "limit",
  generateBundle(_, bundle) {
    const scripts = Object.values(bundle).flatMap((part) => part.type === "chunk" ? [gzipSync(part.code).length] : [])
    const sum = scripts.reduce((total, length) => total + length, 0) / 1024
    if (sum > LIMIT_KB) this.error(`the page's JavaScript has ${sum.toFixed(0)} KB compressed, more than ${LIMIT_KB}`)
  }
}

export default defineConfig({
  root: fileURLToPath(new URL("src/web", import.meta.url)),
  plugins: [react(), limit],
  build: {
    outDir: fileURLToPath(new URL("dist/web", import.meta.url)),
    emptyOutDir: true,
    // The page's content-security policy allows no inline script or style and no data: address.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 800
  }
})
