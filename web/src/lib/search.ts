/** Whether a text holds every word that is sought, whatever their case and order. */
export function seeker(sought: string | undefined): (text: string) => boolean {
  const words = sought?.toLowerCase().split(/\s+/).filter(Boolean) ?? [];
  if (words.length === 0) return () => true;
  return (text) => {
    const whole = text.toLowerCase();
    return words.every((word) => whole.includes(word));
  };
}
