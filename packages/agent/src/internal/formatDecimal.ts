import * as BigDecimal from "effect/BigDecimal"

/** @internal Plain digits with exactly `places` decimals, or as many as there are. */
export const formatDecimal = (value: BigDecimal.BigDecimal, places?: number): string => {
  const normal = BigDecimal.normalize(value)
  const scaled = places === undefined
    ? BigDecimal.scale(normal, Math.max(0, normal.scale))
    : BigDecimal.scale(roundHalfUp(normal, places), places)
  const digits = (scaled.value < 0n ? -scaled.value : scaled.value).toString().padStart(scaled.scale + 1, "0")
  const sign = scaled.value < 0n ? "-" : ""
  if (scaled.scale === 0) return sign + digits
  return `${sign}${digits.slice(0, -scaled.scale)}.${digits.slice(-scaled.scale)}`
}

/** @internal Halves go away from zero, as in commerce. */
const roundHalfUp = (value: BigDecimal.BigDecimal, places: number): BigDecimal.BigDecimal =>
  BigDecimal.round(value, { scale: places, mode: "half-from-zero" })
