// A LoginStore in a Map that tests can look into.
import type { LoginStore } from '../../lib/types/login-store.ts'

export interface MapLoginStore extends LoginStore {
  readonly values: Map<string, { value: string; ttlMs: number; endsAt?: number }>
  readonly sets: Map<string, string[]>
}

export function mapLoginStore(): MapLoginStore {
  const values: MapLoginStore['values'] = new Map()
  const sets: MapLoginStore['sets'] = new Map()
  /** By a clock of its own, so that tests may move that of the rest. */
  const get = (key: string): string | undefined => {
    const { value, endsAt = Infinity } = values.get(key) ?? {}
    return performance.now() < endsAt ? value : undefined
  }
  return {
    values,
    sets,
    get: async (key) => get(key),
    async set(key, value, { ttlMs, ifAbsent = false, if: expected }) {
      const before = get(key)
      if (ifAbsent && before !== undefined) return false
      if (expected !== undefined && before !== expected) return false
      values.set(key, { value, ttlMs, endsAt: performance.now() + ttlMs })
      return true
    },
    async take(key) {
      const value = get(key)
      values.delete(key)
      return value
    },
    async delete(key) {
      values.delete(key)
    },
    async add(set, member, { max }) {
      const members = [...(sets.get(set) ?? []).filter((each) => each !== member), member]
      sets.set(set, members.slice(-max))
      return members.slice(0, -max)
    },
    async remove(set, member) {
      sets.set(
        set,
        (sets.get(set) ?? []).filter((each) => each !== member),
      )
    },
    members: async (set) => sets.get(set) ?? [],
  }
}
