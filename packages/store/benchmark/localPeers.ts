// @effect-diagnostics asyncFunction:off the peers are promises
/** Other people's stores over a folder, which are there where the benchmark's own lock has been installed. */

interface Peer {
  readonly put: (key: string, bytes: Uint8Array) => Promise<void>
  readonly sizeOf: (key: string) => Promise<number>
}

interface PeerOf {
  readonly id: string
  readonly name: string
  readonly target: number
  readonly open: (folder: string) => Promise<Peer>
}

interface Disk {
  readonly put: (key: string, contents: Uint8Array) => Promise<void>
  readonly getBytes: (key: string) => Promise<ArrayBuffer>
}

const flydrive = async (location: string): Promise<Peer> => {
  const [main, driver]: ReadonlyArray<string> = ["flydrive", "flydrive/drivers/fs"]
  const { Disk }: { readonly Disk: new(driver: object) => Disk } = await import(main ?? "")
  const { FSDriver }: { readonly FSDriver: new(options: object) => object } = await import(driver ?? "")
  const disk = new Disk(new FSDriver({ location, visibility: "private" }))
  return { put: (key, bytes) => disk.put(key, bytes), sizeOf: async (key) => (await disk.getBytes(key)).byteLength }
}

interface Storage {
  readonly setItemRaw: (key: string, value: Uint8Array) => Promise<void>
  readonly getItemRaw: (key: string) => Promise<Uint8Array>
}

const unstorage = async (base: string): Promise<Peer> => {
  const [main, driver]: ReadonlyArray<string> = ["unstorage", "unstorage/drivers/fs"]
  const { createStorage }: { readonly createStorage: (options: object) => Storage } = await import(main ?? "")
  const { default: fs }: { readonly default: (options: object) => object } = await import(driver ?? "")
  const storage = createStorage({ driver: fs({ base }) })
  return {
    put: (key, bytes) => storage.setItemRaw(key, bytes),
    sizeOf: async (key) => (await storage.getItemRaw(key)).length
  }
}

interface Operator {
  readonly write: (path: string, bytes: Uint8Array) => Promise<void>
  readonly read: (path: string) => Promise<Uint8Array>
}

const asBuffer = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)

const opendal = async (root: string): Promise<Peer> => {
  const name: string = "opendal"
  const { Operator }: { readonly Operator: new(scheme: string, options: object) => Operator } = await import(name)
  const operator = new Operator("fs", { root })
  return {
    put: (key, bytes) => operator.write(key, asBuffer(bytes)),
    sizeOf: async (key) => (await operator.read(key)).length
  }
}

interface Files {
  readonly upload: (key: string, body: Uint8Array) => Promise<unknown>
  readonly head: (key: string) => Promise<{ readonly size: number }>
}

const filesSdk = async (root: string): Promise<Peer> => {
  const [main, adapter]: ReadonlyArray<string> = ["files-sdk", "files-sdk/fs"]
  const { Files }: { readonly Files: new(options: object) => Files } = await import(main ?? "")
  const { fs }: { readonly fs: (options: object) => object } = await import(adapter ?? "")
  const files = new Files({ adapter: fs({ root }) })
  return {
    put: async (key, bytes) => void await files.upload(key, bytes),
    sizeOf: async (key) => (await files.head(key)).size
  }
}

export const peers: ReadonlyArray<PeerOf> = [
  { id: "flydrive", name: "flydrive 1.3.0", target: 1.3, open: flydrive },
  { id: "unstorage", name: "unstorage 1.17.6", target: 1.3, open: unstorage },
  { id: "opendal", name: "opendal 0.49.1", target: 1.3, open: opendal },
  { id: "files-sdk", name: "files-sdk 2.6.0", target: 3, open: filesSdk }
]
